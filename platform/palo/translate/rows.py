"""Translations as JSON values, for the files that they are kept in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from palo import storage
from palo.data.records import Record
from palo.errors import DataError
from palo.text.messages import Turn
from palo.translate.translated import CheckResult, Decision, Translated


def to_row(translated: Translated) -> dict[str, Any]:
    """Returns a translation as JSON values; decisions are written by their names."""
    # Field by field: what walks any dataclass takes ten times as long, for millions of rows.
    source = translated.source
    return {
        "source": {
            "record_id": source.record_id,
            "language": source.language,
            "source": source.source,
            "licence": source.licence,
            "image": source.image,
            "turns": [
                {"role": turn.role, "text": turn.text, "num_images": turn.num_images}
                for turn in source.turns
            ],
            "origin_record_id": source.origin_record_id,
            "translator": source.translator,
            "gates": None if source.gates is None else dict(source.gates),
        },
        "language": translated.language,
        "texts": list(translated.texts),
        "translator": translated.translator,
        "prompt_hash": translated.prompt_hash,
        "attempt": translated.attempt,
        "gates": [
            {
                "gate": result.gate,
                "decision": result.decision.name.lower(),
                "reason": result.reason,
                "turn": result.turn,
                "doubt": result.doubt,
            }
            for result in translated.gates
        ],
        "reviewer": translated.reviewer,
    }


def from_row(row: object) -> Translated:
    """Returns the translation that `to_row` wrote.

    Raises:
        DataError: If the row is none.
    """
    try:
        if not isinstance(row, Mapping):
            raise TypeError("no object with fields")
        values = dict(row)
        values["source"] = _record(values["source"])
        values["texts"] = tuple(map(_text, values["texts"]))
        values["gates"] = tuple(map(_gate, values.get("gates", ())))
        made = Translated(**values)
        _text(made.language)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            "a row is no translation", seen=error, fix="Restore the file from where it was made."
        ) from error
    return made


def read_rows(path: Path) -> Iterator[Translated]:
    """Yields the translations of a file, a line each; of several with one key the last one.

    Args:
        path: For example the results.jsonl of a job of `palo.translate.bulk`.

    Raises:
        DataError: If a line is no translation.
        StorageError: If the file can't be read.
    """
    latest = {}
    for _, row in storage.read_json_lines(path):
        made = from_row(row)
        latest[made.key] = made
    yield from latest.values()


def _record(values: Mapping[str, Any]) -> Record:
    turns = tuple(map(_turn, values["turns"]))
    for name in ("record_id", "language", "source", "licence"):
        _text(values[name])
    for name in ("image", "origin_record_id", "translator"):
        if values.get(name) is not None:
            _text(values[name])
    return Record(**{**values, "turns": turns})


def _turn(values: Mapping[str, Any]) -> Turn:
    turn = Turn(**values)
    _text(turn.text)
    if turn.role not in ("user", "assistant") or turn.num_images not in (0, 1):
        raise ValueError(f"{turn.role!r:.60} shows {turn.num_images!r:.60} images")
    return turn


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _gate(values: Mapping[str, Any]) -> CheckResult:
    return CheckResult(**{**values, "decision": Decision[values["decision"].upper()]})
