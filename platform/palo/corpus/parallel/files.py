"""The files of a source of parallel text, and which of them are aligned with one another.

Text files are named after their language, anywhere between dots: train.ur, ur.txt, urd_Arab.dev.
Those whose names are the same otherwise are aligned line by line.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path

from palo import storage
from palo.corpus.parallel.json_rows import read_json_rows, read_parquet_rows
from palo.corpus.parallel.lines import TextFault, TextFile, TextLine, known_code, text_lines
from palo.corpus.parallel.settings import ParallelSource
from palo.corpus.parallel.tables import TABLE_ENDINGS, read_table
from palo.corpus.parallel.tmx import TMX_ENDING, read_tmx
from palo.corpus.sources.opened import GZIP_SUFFIX, suffix_of
from palo.errors import DataError

_JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
_PARQUET_ENDING = ".parquet"
_STRUCTURED = (*TABLE_ENDINGS, *_JSON_ENDINGS, _PARQUET_ENDING, TMX_ENDING)
_FORMATS = ", ".join(_STRUCTURED)
_SHOWN = 5


def text_files(source: ParallelSource) -> tuple[list[TextFile], list[str]]:
    """Finds the files of a source.

    Args:
        source: The source.

    Returns:
        The files in the order of their names, and the names of those that aren't read.

    Raises:
        DataError: If there is none, or one has no known language.
        StorageError: If they can't be listed.
    """
    if source.files:
        return [_aligned(source.files)], []
    assert source.path is not None
    paths, is_prefix = _paths(source.path)
    found: dict[str, TextFile] = {}
    groups: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    ignored: list[str] = []
    for path in paths:
        if suffix_of(path) in _STRUCTURED:
            found[str(path)] = TextFile(path.name, (path,), partial(_read, path, source.languages))
            continue
        code, others = _named_language(path)
        if code is None:
            ignored.append(path.name)
        elif code in groups[key := f"{path.parent}/{others}"]:
            raise DataError(
                f"two files are named after the same language, {code}",
                seen=f"{groups[key][code]}, {path}",
                fix="Name each file after its language, or write a list of sources.",
            )
        else:
            groups[key][code] = path
    found |= {key: _aligned(files) for key, files in groups.items()}
    if not found or (is_prefix and any(len(one.paths) < 2 for one in found.values())):
        raise DataError(
            "there is no parallel text here",
            seen=f"{source.path}, with {_listed(paths)}",
            fix=f"Name a file ({_FORMATS}), or aligned files such as train.en and train.ur.",
        )
    return [found[key] for key in sorted(found)], ignored


def _listed(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:_SHOWN])
    return f"{names} and more" if len(paths) > _SHOWN else names or "no files"


def _paths(path: Path) -> tuple[list[Path], bool]:
    """Returns the files that a path means, and whether it is only the beginning of their names."""
    with storage.wrap_os_errors("read", path):
        if path.is_file():
            return [path], False
        if path.is_dir():
            inside = (one for one in path.rglob("*") if one.is_file())
            return sorted(one for one in inside if not one.name.startswith((".", "_"))), False
        if not path.parent.is_dir():
            return [], True
        start = f"{path.name}."
        beside = (one for one in path.parent.iterdir() if one.name.startswith(start))
        return sorted(one for one in beside if one.is_file()), True


def _named_language(path: Path) -> tuple[str | None, str]:
    """Returns the language that a file is named after, and the rest of its name."""
    parts = path.name.removesuffix(GZIP_SUFFIX).removesuffix(".txt").split(".")
    for number in reversed(range(len(parts))):
        if (code := known_code(parts[number])) is not None:
            return code, ".".join([*parts[:number], "", *parts[number + 1 :]])
    return None, path.name


def _read(path: Path, languages: Sequence[str]) -> Iterator[TextLine]:
    ending = suffix_of(path)
    if ending in TABLE_ENDINGS:
        return read_table(path, languages)
    if ending in _JSON_ENDINGS:
        return read_json_rows(path)
    return read_parquet_rows(path) if ending == _PARQUET_ENDING else read_tmx(path)


def _aligned(files: Mapping[str, Path]) -> TextFile:
    name = "+".join(path.name for path in files.values())
    return TextFile(name, tuple(files.values()), partial(_read_aligned, dict(files)))


def _read_aligned(files: Mapping[str, Path]) -> Iterator[TextLine]:
    """Reads files line by line together.

    Raises:
        DataError: If one has more lines than another.
    """
    counts = dict.fromkeys(files, 0)
    columns = [text_lines(path) for path in files.values()]
    for number, cells in enumerate(zip_longest(*columns), 1):
        for code, cell in zip(files, cells, strict=True):
            counts[code] += cell is not None
        if min(counts.values()) < number:
            continue  # to count the rest of the longer ones
        fault = next((cell for cell in cells if isinstance(cell, TextFault)), None)
        if fault is not None:
            yield TextLine(number, fault=fault)
        else:
            pairs = zip(files, cells, strict=True)
            yield TextLine(number, {code: str(cell).strip() for code, cell in pairs})
    if len(set(counts.values())) > 1:
        raise DataError(
            "files that should be aligned line by line have different numbers of lines",
            seen=", ".join(f"{files[code]} {count:,}" for code, count in counts.items()),
            fix="Align them again; text in one language alone belongs in a folder of its own.",
        )
