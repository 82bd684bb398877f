"""Translations as JSON values, for the files that they are kept in."""

from collections.abc import Mapping
from typing import Any

from palo import config
from palo.data.records import Record
from palo.errors import DataError, PaloError
from palo.translate.translated import Decision, GateResult, Translated


def to_row(translated: Translated) -> dict[str, Any]:
    """Returns a translation as JSON values; decisions are written by their names."""
    row: dict[str, Any] = config.to_dict(translated)
    for gate in row["gates"]:
        gate["decision"] = Decision(gate["decision"]).name.lower()
    return row


def from_row(row: object) -> Translated:
    """Returns the translation that `to_row` wrote.

    Raises:
        DataError: If the row is none.
    """
    try:
        if not isinstance(row, Mapping):
            raise TypeError("no object with fields")
        values = dict(row)
        values["source"] = config.from_dict(Record, values["source"])
        values["texts"] = tuple(map(_text, values["texts"]))
        values["gates"] = tuple(map(_gate, values.get("gates", ())))
        made = Translated(**values)
        _text(made.language)
    except (KeyError, TypeError, ValueError, PaloError) as error:
        raise DataError(
            "a row is no translation", seen=error, fix="Restore the file from where it was made."
        ) from error
    return made


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _gate(values: Mapping[str, Any]) -> GateResult:
    return GateResult(**{**values, "decision": Decision[values["decision"].upper()]})
