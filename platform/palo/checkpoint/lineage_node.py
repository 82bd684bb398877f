"""A node of a lineage: something that a model was made of, by name and by hash."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

NodeState = Literal["named", "checked", "changed", "missing"]
"""named: as it is recorded; checked: its hash was computed again and is the recorded one; changed:
it is another one now; missing: it isn't where it should be."""

_SHOWN_DIGITS = 16
_MOST_FACTS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class LineageNode:
    """One thing that a model was made of.

    Attributes:
        kind: model, weights, settings, code, machines, packages, part, start, corpus, source, file,
            or record for anything else that is recorded.
        name: Its name, for people.
        id: Hash of its content, as hexadecimal digits; empty where none is recorded.
        state: Whether it is there and is still what it was.
        facts: What is known about it, by name.
        place: Where it is, or was said to be.
        children: What it was made of.
    """

    kind: str
    name: str
    id: str = ""
    state: NodeState = "named"
    facts: Mapping[str, str] = field(default_factory=dict)
    place: Path | None = None
    children: tuple["LineageNode", ...] = ()

    def nodes(self) -> Iterator["LineageNode"]:
        """Yields this node and all below it, each before its children."""
        yield self
        for child in self.children:
            yield from child.nodes()

    @property
    def remark(self) -> str:
        """Says where it is and whether it is still what it was; empty where there is no more."""
        if self.state == "missing":
            return f"not found here, named as {self.place}"
        if self.state == "changed":
            return (
                "NOT what was recorded"
                if self.place is None
                else f"NOT what was recorded, in {self.place}"
            )
        where = "" if self.place is None else f"in {self.place}"
        return ", ".join(filter(None, ("checked" if self.state == "checked" else "", where)))


def named_missing(node: LineageNode) -> LineageNode:
    """Returns the node of something that isn't found here.

    Args:
        node: The node, with the place that was named.
    """
    return replace(node, state="missing")


def short_hash(digest: str) -> str:
    """Returns the first 16 digits of a hash, as many as fingerprints have.

    Args:
        digest: Hexadecimal digits.
    """
    return digest[:_SHOWN_DIGITS]


def flat_facts(values: object) -> dict[str, str]:
    """Returns JSON values as facts, nested names joined by dots.

    Args:
        values: JSON values; what is no object becomes one fact.
    """
    found: dict[str, str] = {}
    for name, value in _flat(values, ""):
        if len(found) >= _MOST_FACTS:
            found["..."] = "there is more"
            break
        found[name] = value
    return found


def _flat(values: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    elif isinstance(values, list) and any(isinstance(one, Mapping) for one in values):
        for number, value in enumerate(values):
            yield from _flat(value, f"{path}.{number}" if path else str(number))
    elif isinstance(values, list):
        yield path or "value", ", ".join(map(str, values))
    elif values is not None:
        yield path or "value", str(values)
