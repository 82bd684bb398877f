"""Rows and accounts of a corpus as lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from palo import languages
from palo.corpus.report.cards import reason_of
from palo.corpus.report.items import ShownSample, turns_of
from palo.corpus.report.lookup import Found
from palo.corpus.report.shards import Dropped
from palo.data.manifest import Manifest, StageCount
from palo.data.records import Record
from palo.terminal import visible
from palo.text.preview import coloured

_MOST_CHARACTERS = 2000
_INDENT = "    "


def overview(manifest: Manifest, examples: Mapping[tuple[str, str], Sequence[Dropped]]) -> str:
    """Returns the account of a corpus: rows, languages, and what was left out with examples.

    Args:
        manifest: The corpus's manifest.
        examples: Some of the rows that were left out, by step and reason.
    """
    steps = [("step", "in", "out", "left out")] + [
        (s.name.replace("_", " "), f"{s.rows_in:,}", f"{s.rows_out:,}", f"{s.num_dropped:,}")
        for s in manifest.stages
    ]
    counts = [("language", "records", "samples", "tokens", "trained", "split", "cut")] + [
        (
            _name(count.language),
            f"{count.num_records:,}",
            f"{count.num_samples:,}",
            f"{count.num_text_tokens:,}",
            f"{count.num_target_tokens:,}",
            f"{count.num_split:,}",
            f"{count.num_cut:,}",
        )
        for count in manifest.languages
    ]
    return "\n\n".join(
        filter(None, (_table(steps), _table(counts), left_out(manifest.stages, examples)))
    )


def left_out(
    stages: Sequence[StageCount], examples: Mapping[tuple[str, str], Sequence[Dropped]]
) -> str:
    """Returns why rows were left out, by reason and language, with examples.

    Args:
        stages: The account of each step.
        examples: Some of the rows that were left out, by step and reason.
    """
    parts: list[str] = []
    for stage in stages:
        for reason, by_language in stage.dropped.items():
            listed = ", ".join(f"{code} {count:,}" for code, count in by_language.items())
            head = f"{sum(by_language.values()):,} {reason} ({listed})"
            rows = examples.get((stage.name, reason), ())
            own = [f"{_INDENT}{visible(row.name)}  {_first_words(row)}" for row in rows]
            parts.append("\n".join([head, *own]))
    return "\n\n".join(parts)


def _name(code: str) -> str:
    return f"{languages.get(code).name} {code}" if languages.known(code) else visible(code)


def _first_words(row: Dropped) -> str:
    turns = [text for _, text in turns_of(row.parsed() or {})]
    text = " ".join(visible(" / ".join(turns) or row.text).split())
    seen = f"{visible(row.detail)}: " if row.detail else ""
    return f"{seen}{text[:100]}{'…' if len(text) > 100 else ''}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def sample_lines(item: ShownSample) -> Iterator[str]:
    """Yields a sample as the model sees it: trained tokens green, the others dim.

    Args:
        item: The sample.
    """
    sample = item.sample
    num_trained = sum(part.num_tokens for part in item.parts if part.is_trained)
    yield visible(
        f"{sample.sample_id}  {sample.language}  {len(sample.input_ids):,} tokens, "
        f"{num_trained:,} trained"
    )
    if sample.image_id is not None:
        yield visible(f"{_INDENT}image {sample.image_id[:16]}  {item.image or ''}".rstrip())
    yield "".join(coloured(part) for part in item.parts)


def record_lines(record: Record) -> Iterator[str]:
    """Yields a record's turns.

    Args:
        record: The record.
    """
    yield visible(f"{record.record_id}  {record.language}")
    if record.image is not None:
        yield f"{_INDENT}image {visible(record.image)}"
    if record.system is not None:
        yield f"{_INDENT}system: {_cut(record.system)}"
    for turn in record.turns:
        yield f"{_INDENT}{turn.role}: {_cut(turn.text)}"


def dropped_lines(row: Dropped) -> Iterator[str]:
    """Yields a row that was left out: where, why, and what it says.

    Args:
        row: The row.
    """
    yield visible(f"{row.name}  {row.language}  left out at {row.step}: {reason_of(row)}")
    yield visible(f"{_INDENT}at {row.offset:,} of {row.file}")
    turns = turns_of(row.parsed() or {})
    for role, text in turns:
        yield f"{_INDENT}{visible(role)}: {_cut(text)}"
    if not turns:
        yield f"{_INDENT}{_cut(row.text)}"


def _cut(text: str) -> str:
    shown = visible(text[:_MOST_CHARACTERS])
    more = f" … ({len(text):,} characters)" if len(text) > _MOST_CHARACTERS else ""
    return shown.replace("\n", f"\n{_INDENT}{_INDENT}") + more


def found_lines(found: Found, samples: Sequence[ShownSample]) -> Iterator[str]:
    """Yields what became of one row.

    Args:
        found: The row.
        samples: Its samples.
    """
    if found.record is not None:
        yield from record_lines(found.record)
    for row in found.dropped:
        yield from dropped_lines(row)
    for item in samples:
        yield ""
        yield from sample_lines(item)
    if not found.dropped and not samples:
        yield f"{_INDENT}It is in no sample: the mixture didn't choose it."
