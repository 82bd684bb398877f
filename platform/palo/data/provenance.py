"""What a row says of how it came to be: what it is a translation of, by whom, with what checks."""

from collections.abc import Mapping
from typing import NamedTuple

from palo.data.turns import is_writable

_MOST_GATES = 256
_MOST_CHARACTERS = 1 << 14


class Provenance(NamedTuple):
    """How a translation came to be; each is None for a row that isn't one.

    Attributes:
        origin_record_id: The record that it was made from.
        translator: Who made it.
        gates: Results of its quality gates, and by name what else is known of its making.
    """

    origin_record_id: str | None
    translator: str | None
    gates: dict[str, str] | None


def read_provenance(row: Mapping[str, object]) -> Provenance:
    """Returns what a row's fields of these names say.

    Raises:
        ValueError: If one of them is neither missing nor of text that can be written.
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
    if not isinstance(pairs, list) or len(pairs) > _MOST_GATES or not all(map(_is_told, pairs)):
        raise ValueError(f"gates are {gates!r}")
    return dict(pairs)


def _is_told(pair: object) -> bool:
    return (
        isinstance(pair, list | tuple)
        and len(pair) == len(("name", "result"))
        and all(isinstance(part, str) and _is_short(part) for part in pair)
    )


def _is_short(text: str) -> bool:
    """Tells whether a text is a note rather than a load, and one that can be written."""
    return len(text) <= _MOST_CHARACTERS and is_writable(text)
