"""A lineage for people: as lines for a terminal, and as a page."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from palo.checkpoint.lineage import Lineage
from palo.checkpoint.lineage_node import LineageNode
from palo.html.page import Section, Templates, page
from palo.terminal import one_line

_TEMPLATES = Templates(Path(__file__).parent / "templates")
_STEP = 2
_LEAST_WIDTH = 40


def lineage_lines(lineage: Lineage, width: int = 100) -> list[str]:
    """Returns the tree as lines, what lies below a node indented; safe to print.

    Args:
        lineage: The lineage.
        width: Columns of the terminal, in which facts are broken into lines.
    """
    return list(_lines(lineage.root, 0, width))


def _lines(node: LineageNode, depth: int, width: int) -> Iterator[str]:
    indent = " " * (_STEP * depth)
    yield indent + one_line("  ".join(filter(None, (_title(node), node.id, node.remark))))
    # The place of a child's name, so that facts don't look like children.
    inner = indent + " " * (2 * _STEP)
    facts = one_line("; ".join(f"{name}: {value}" for name, value in node.facts.items()))
    yield from textwrap.wrap(
        facts,
        max(width, len(inner) + _LEAST_WIDTH),
        initial_indent=inner,
        subsequent_indent=inner,
        break_on_hyphens=False,
    )
    for child in node.children:
        yield from _lines(child, depth + 1, width)


def _title(node: LineageNode) -> str:
    words = {"start": "started from", "record": "also recorded:"}.get(node.kind, node.kind)
    return node.name if node.name.startswith(words) else f"{words} {node.name}"


def lineage_page(lineage: Lineage) -> str:
    """Returns the tree as an HTML page of its own, without scripts.

    Args:
        lineage: The lineage.
    """
    root = lineage.root
    own = LineageNode(kind=root.kind, name=root.name, facts=root.facts, place=root.place)
    groups = [("model", "Model", [own, *_of(root, "weights")])]
    groups += [
        (kind, title, nodes)
        for kind, title in _GROUPS.items()
        if (nodes := _of(root, *kind.split("-")))
    ]
    sections = [
        Section(name, title, _TEMPLATES.render("lineage.html", nodes=nodes))
        for name, title, nodes in groups
    ]
    return page(f"Lineage of {root.name}", f"id {lineage.id}", sections)


_GROUPS = {
    "settings": "Recipe and settings",
    "corpus": "Corpus",
    "part": "Pretrained parts",
    "start": "Started from",
    "code-machines-packages": "Code, machines, packages",
    "record": "Also recorded",
}


def _of(root: LineageNode, *kinds: str) -> list[LineageNode]:
    return [child for child in root.children if child.kind in kinds]
