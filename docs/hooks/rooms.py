"""The rooms of the library: their drawing, and a page of the API for each.

Both come from the table in `docs/architecture.md`, which a rule compares with the packages.
`python docs/hooks/rooms.py` draws `docs/images/rooms.svg` again.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

DOCS = Path(__file__).resolve().parents[1]
_ROW = re.compile(r"^\| ([\w ,-]+) \| `(\w+)` \| (.+) \|$", re.MULTILINE)
_WIDTH, _LINE, _PAD, _GAP, _LABEL = 1000, 22, 12, 8, 150
_COLOURS = ("#e8eef4", "#dcecf0", "#d3ebe7", "#dbeedd", "#e8efd3", "#f5efd2", "#f7e6d3")
_CHARACTER = 8.2


@dataclass(frozen=True)
class Room:
    """One package or module directly in `palo`.

    Attributes:
        layer: Name of its group.
        name: Its name.
        holds: What is in it, as Markdown.
    """

    layer: str
    name: str
    holds: str


def read_rooms() -> list[Room]:
    """Returns the rooms of the table, the lowest first."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    return [Room(*groups) for groups in _ROW.findall(text)]


def draw(rooms: list[Room]) -> str:
    """Returns an SVG with a band for each layer, the lowest at the bottom."""
    layers: dict[str, list[str]] = {}
    for room in rooms:
        layers.setdefault(room.layer, []).append(room.name)
    layers["entry points"] = ["jobs", "apps"]
    bands, top = [], _GAP
    for number, (layer, names) in reversed(list(enumerate(layers.items()))):
        boxes, x, y = [], _LABEL, top + _PAD
        for name in names:
            width = round(len(name) * _CHARACTER) + 2 * _PAD
            if x + width > _WIDTH - _PAD:
                x, y = _LABEL, y + _LINE + _PAD + _GAP
            boxes.append(
                f'<rect x="{x}" y="{y}" width="{width}" height="{_LINE + 6}" rx="5" fill="#fff" '
                f'stroke="#5b6b7a"/><text x="{x + width / 2:g}" y="{y + 19}" '
                f'text-anchor="middle" font-family="monospace" font-size="13.5">{name}</text>'
            )
            x += width + _GAP
        height = y + _LINE + 6 + _PAD - top
        colour = _COLOURS[number % len(_COLOURS)]
        bands.append(
            f'<rect x="{_GAP}" y="{top}" width="{_WIDTH - 2 * _GAP}" height="{height}" rx="8" '
            f'fill="{colour}"/><text x="{2 * _GAP + 4}" y="{top + height / 2 + 5:g}" '
            f'font-size="14" font-weight="bold">{html.escape(layer)}</text>{"".join(boxes)}'
        )
        top += height + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" '
        f'font-family="sans-serif" fill="#1d2733"><rect width="{_WIDTH}" height="{top}" '
        f'fill="#fff"/>{"".join(bands)}</svg>\n'
    )


def on_config(config: "MkDocsConfig") -> "MkDocsConfig":
    """Adds the pages of the API to the navigation."""
    pages = [{f"palo.{room.name}": f"api/{room.name}.md"} for room in read_rooms()]
    config.nav.append({"API": pages})
    return config


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Makes a page of the API for each room; mkdocstrings fills it from the docstrings."""
    from mkdocs.structure.files import File

    for room in read_rooms():
        page = f"# palo.{room.name}\n\n::: palo.{room.name}\n"
        files.append(File.generated(config, f"api/{room.name}.md", content=page))
    return files


if __name__ == "__main__":
    (DOCS / "images" / "rooms.svg").write_text(draw(read_rooms()), encoding="utf-8")
