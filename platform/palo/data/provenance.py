"""Provenance of translated rows: their original, translator and quality checks."""

from collections.abc import Mapping
from typing import NamedTuple

from palo.data.bad_row import is_writable

_MOST_GATES = 256
_MOST_CHARACTERS = 1 << 14


class Provenance(NamedTuple):
    """The provenance of a translation; each field is None for other rows.

    Attributes:
        origin_record_id: The record that it was translated from.
        translator: Name of the translator.
        gates: Results of its quality checks and further notes, by name.
    """

    origin_record_id: str | None
    translator: str | None
    gates: dict[str, str] | None


def read_provenance(row: Mapping[str, object]) -> Provenance:
    """Reads the provenance of a row.

    Args:
        row: The row.

    Raises:
        ValueError: If a field is neither missing nor text that UTF-8 can hold.
    """
    return Provenance(_text(row, "origin_record_id"), _text(row, "translator"), _gates(row))


def _text(row: Mapping[str, object], name: str) -> str | None:
    value = row.get(name)
    if value is None or (isinstance(value, str) and _is_short(value)):
        return value
    raise ValueError(f"{name} is {value!r}")


def _gates(row: Mapping[str, object]) -> dict[str, str] | None:
    gates = row.get("gates")
    if gates is None:
        return None
    # Maps of Parquet files come as pairs, structs with every name that any row has.
    pairs = [pair for pair in gates.items() if pair[1]] if isinstance(gates, dict) else gates
    if not isinstance(pairs, list) or len(pairs) > _MOST_GATES or not all(map(_is_pair, pairs)):
        raise ValueError(f"gates are {gates!r}")
    return dict(pairs)


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list | tuple)
        and len(pair) == len(("name", "result"))
        and all(isinstance(part, str) and _is_short(part) for part in pair)
    )


def _is_short(text: str) -> bool:
    """Returns whether a text is of a bounded length, and UTF-8 can hold it."""
    return len(text) <= _MOST_CHARACTERS and is_writable(text)
