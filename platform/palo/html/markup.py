"""HTML that is safe by construction: whatever is not made here as markup is text."""

from html import escape
from typing import Self

_EMPTY = frozenset(("img", "input", "meta"))


class Markup(str):
    """A piece of HTML that may stand in a page as it is."""

    __slots__ = ()

    @classmethod
    def text(cls, text: str) -> Self:
        """Returns a text that says in HTML what it said before."""
        return cls(text if isinstance(text, Markup) else escape(text))


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """Returns an element.

    Args:
        name: Name of the element.
        children: Markup, or texts.
        attributes: By name: an underscore stands for a hyphen, one at the end is left out. None
            leaves the attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """Returns markup and texts one after the other."""
    return Markup("".join(map(Markup.text, children)))


def table(
    caption: str, head: tuple[str, ...], rows: list[tuple[str, ...]], *, name_columns: int = 1
) -> Markup:
    """Returns a table that scrolls by itself where the page is too narrow.

    Args:
        caption: What it shows.
        head: Names of the columns.
        rows: Cells, markup or text.
        name_columns: How many of the first columns are words; the others are numbers.
    """

    def kind(number: int) -> str | None:
        return None if number < name_columns else "number"

    top = [element("th", cell, scope="col", class_=kind(n)) for n, cell in enumerate(head)]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell, class_=kind(n)) for n, cell in enumerate(row[1:], start=1)),
        )
        for row in rows
    ]
    inner = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *top)),
        element("tbody", *body),
    )
    # A box that scrolls must be reachable by keyboard.
    return element("div", inner, class_="wide", tabindex=0, role="region", aria_label=caption)
