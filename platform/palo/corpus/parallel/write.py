"""Writes the rows of parallel text, from which a corpus is built like from any other source.

<folder>/<source>.jsonl    rows, each pair in both directions
<folder>/rejected.jsonl    the first thousand lines that were left out, with their reasons
<folder>/parallel.json     counts, and what the rows were made of; written last
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from palo import storage
from palo.config import check, to_dict
from palo.corpus.config import SourceConfig
from palo.corpus.filter.mixture import written
from palo.corpus.parallel.file_rows import FileRows, ParallelCounts
from palo.corpus.parallel.files import text_files
from palo.corpus.parallel.lines import TextFile
from palo.corpus.parallel.phrases import added_wishes
from palo.corpus.parallel.settings import ParallelSettings, ParallelSource
from palo.errors import DataError

VERSION = 1
_RECORD = "parallel.json"
_PREFIX = "parallel-"


def parallel_sources(settings: ParallelSettings, folder: Path) -> tuple[SourceConfig, ...]:
    """Returns the sources of a corpus that are made of parallel text.

    Args:
        settings: The parallel text.
        folder: Where its rows are, or will be.
    """
    return tuple(
        SourceConfig(
            name=source.name if source.name.startswith("parallel") else _PREFIX + source.name,
            path=_rows_path(folder, source),
            licence=source.licence,
            format="jsonl",
        )
        for source in settings.sources
    )


def write_parallel_rows(
    settings: ParallelSettings, folder: Path, say: Callable[[str], None]
) -> bool:
    """Writes the rows of all sources, unless they are there already.

    Args:
        settings: The parallel text.
        folder: Where they go.
        say: Takes lines about what was read, for people.

    Returns:
        Whether they were written.

    Raises:
        ConfigError: If the settings are wrong.
        DataError: If a source can't be used as a whole, or too much of it is left out.
        StorageError: If a file can't be read or written.
    """
    check(settings)
    sources = settings.sources
    found = [text_files(source) for source in sources]
    made_of = _made_of(settings, sources, [files for files, _ in found])
    record = folder / _RECORD
    if record.is_file() and storage.read_json(record).get("made_of") == made_of:
        return False
    storage.remove(record)
    rejected: list[dict[str, Any]] = []
    counts: dict[str, ParallelCounts] = {}
    for source, (files, ignored) in zip(sources, found, strict=True):
        if ignored:
            say(f"{source.name}: not read, since no language is in the name: {_listed(ignored)}")
        counts[source.name] = _write_source(settings, source, files, folder, rejected)
        for line in _lines(source.name, counts[source.name]):
            say(line)
        _require_few(settings, source, counts[source.name], rejected)
    lines = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in rejected)
    storage.write_bytes(folder / "rejected.jsonl", lines)
    storage.write_json(record, {"made_of": made_of, "counts": to_dict(counts)})
    return True


def _rows_path(folder: Path, source: ParallelSource) -> Path:
    return folder / f"{source.name}.jsonl"


def _made_of(
    settings: ParallelSettings, sources: tuple[ParallelSource, ...], found: list[list[TextFile]]
) -> dict[str, Any]:
    """Returns what decides the rows, as JSON values; files by size and time of change."""
    used = replace(settings, mixture=type(settings.mixture)())
    stamps = {}
    for path in (path for files in found for one in files for path in one.paths):
        with storage.wrap_os_errors("read", path):
            stat = path.stat()
        stamps[str(path)] = [stat.st_size, stat.st_mtime_ns]
    values: dict[str, Any] = to_dict(
        {"version": VERSION, "settings": used, "sources": sources, "files": stamps}
    )
    values["settings"]["mixture"] = written(used.mixture)
    if wishes := added_wishes():
        values["wishes"] = to_dict(wishes)
    return values


def _write_source(
    settings: ParallelSettings,
    source: ParallelSource,
    files: list[TextFile],
    folder: Path,
    rejected: list[dict[str, Any]],
) -> ParallelCounts:
    total = ParallelCounts()
    with (
        storage.replacing(_rows_path(folder, source)) as partial,
        partial.open("wb") as out,
    ):
        for file in files:
            total = total.plus(FileRows(settings, source.name, file, rejected).write(out))
    return total


def _lines(name: str, counts: ParallelCounts) -> Iterator[str]:
    kept = ", ".join(f"{pair} {count:,}" for pair, count in sorted(counts.pairs.items()))
    texts = ", ".join(f"{code} {count:,}" for code, count in sorted(counts.texts.items()))
    parts = [f"{counts.num_lines:,} lines", kept and f"pairs {kept}", texts and f"texts {texts}"]
    yield f"{name}: {'; '.join(part for part in parts if part)}"
    if counts.faults:
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in counts.faults.most_common())
        yield f"{name}: left out: {left_out}"


def _require_few(
    settings: ParallelSettings,
    source: ParallelSource,
    counts: ParallelCounts,
    rejected: list[dict[str, Any]],
) -> None:
    num_bad = counts.faults.total()
    num_all = num_bad + counts.pairs.total() + counts.texts.total()
    if num_all == 0:
        raise DataError(f"source {source.name} has no lines", fix="Check the path.")
    if num_bad <= settings.max_bad_share * num_all:
        return
    reason, count = counts.faults.most_common(1)[0]
    own = (r for r in rejected if r["source"] == source.name and r["reason"] == reason)
    first = next(own, None)
    where = f", such as line {first['line']} of {first['file']}" if first else ""
    raise DataError(
        f"{num_bad / num_all:.0%} of the parallel text of source {source.name} can't be used",
        seen=f"mostly {reason} ({count:,}){where}",
        fix="Correct it, or accept more with --parallel.max-bad-share.",
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
