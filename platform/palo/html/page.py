"""The frame of a page: one file, nothing from the internet, no script."""

from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from palo.html.markup import Markup, element, joined

# Texts of a corpus are anybody's: even if one became markup, no browser would run or load it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        name: Its anchor.
        title: What it is called, also in the list at the top.
        body: What it holds.
    """

    name: str
    title: str
    body: Markup


def page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Returns a whole page.

    Args:
        title: Its title.
        subtitle: A line below it.
        sections: Its parts.
    """
    style = files("palo.html").joinpath("page.css").read_text(encoding="utf-8")
    links = [
        element("li", element("a", section.title, href=f"#{section.name}")) for section in sections
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(style)),
    )
    body = element(
        "body",
        element("a", "To the content", href="#content", class_="skip"),
        element("header", element("h1", title), element("p", subtitle, class_="soft")),
        element("nav", element("ul", *links), aria_label="Sections"),
        element("main", *map(_section, sections), id="content"),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _section(section: Section) -> Markup:
    title = element("h2", section.title, id=f"{section.name}-title")
    return element(
        "section",
        joined(title, section.body),
        id=section.name,
        aria_labelledby=f"{section.name}-title",
    )
