"""HTML pages from Jinja templates.

A page is one file that loads nothing from elsewhere and runs no script. Values that templates show
are escaped unless they are `Markup`, which only templates make.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from palo import languages
from palo.terminal import visible

_FOLDER = Path(__file__).parent / "templates"


class Templates:
    """The templates of one folder, together with those of this package.

    Templates can use the registry of languages as `languages`, the macros of `macros.html`, and the
    filter `visible`, which shows control characters. A missing value is an error.

    Args:
        folder: Where the templates are.
    """

    def __init__(self, folder: Path) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([folder, _FOLDER]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["languages"] = languages
        self._environment.filters["visible"] = visible

    def render(self, template: str, /, **values: object) -> Markup:
        """Returns a template with values in it.

        Args:
            template: Its file.
            values: By the names that the template uses.
        """
        return Markup(self._environment.get_template(template).render(values))  # noqa: S704 - escaped

    def macro(self, name: str, *values: object, file: str = "macros.html") -> Markup:
        """Returns the HTML of a macro.

        Args:
            name: Name of the macro.
            values: Its arguments.
            file: The template that it is in.
        """
        made = getattr(self._environment.get_template(file).module, name)(*values)
        return Markup(made)  # noqa: S704 - escaped


@cache
def _shared() -> Templates:
    return Templates(_FOLDER)


def language_label(code: str) -> Markup:
    """Returns a language's names, its own in its own script.

    Args:
        code: ISO code; a code that isn't known is shown as it is.
    """
    return _shared().macro("language_label", code)


def table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, name_columns: int = 1
) -> Markup:
    """Returns a table that scrolls by itself where the page is too narrow.

    Columns with nothing in any row are left out.

    Args:
        caption: Its title.
        head: Names of the columns.
        rows: Cells, markup or text.
        name_columns: How many of the first columns are words; the others are numbers.
    """
    filled = [number for number in range(len(head)) if any(row[number] for row in rows)]
    kept = filled if rows else range(len(head))
    return _shared().macro(
        "table",
        caption,
        [head[number] for number in kept],
        [[row[number] for number in kept] for row in rows],
        sum(number < name_columns for number in kept),
    )


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        name: Its anchor.
        title: Its heading, also in the list at the top.
        body: Its contents.
    """

    name: str
    title: str
    body: Markup


def page(
    title: str, subtitle: str, sections: Sequence[Section], *, refresh_s: int | None = None
) -> str:
    """Returns a whole page.

    Args:
        title: Its title.
        subtitle: A line below it.
        sections: Its parts.
        refresh_s: Seconds after which a browser loads it again; None for a page that is finished.
    """
    return _shared().render(
        "page.html", title=title, subtitle=subtitle, sections=sections, refresh_s=refresh_s
    )
