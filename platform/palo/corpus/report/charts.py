"""Charts as SVG in the page's own colours, so that they are right in the dark too."""

from collections.abc import Mapping, Sequence

from palo.html.language_label import language_label
from palo.html.markup import Markup, element

_WIDTH, _HEIGHT = 260, 72


def bars(title: str, values: Mapping[str, tuple[int, str]], low: frozenset[str]) -> Markup:
    """Returns horizontal bars with their values in words, as a list that reads well without them.

    Args:
        title: What they show.
        values: By language: the length of its bar, and what it says.
        low: Languages whose bar has the other colour.
    """
    most = max((value for value, _ in values.values()), default=0) or 1
    rows = [
        element(
            "li",
            element("span", language_label(code), class_="bar-name"),
            element(
                "span",
                element("span", "", class_="fill", style=f"width:{100 * value / most:.2f}%"),
                class_="track low" if code in low else "track",
                aria_hidden="true",
            ),
            element("span", words, class_="bar-value"),
        )
        for code, (value, words) in values.items()
    ]
    return element("ul", *rows, class_="bars", aria_label=title)


def histogram(title: str, counts: Sequence[int], step: int, limit: int | None) -> Markup:
    """Returns how often each length occurs.

    Args:
        title: What it shows, for those who can't see it.
        counts: Number of samples from `step * n` to below `step * (n + 1)`.
        step: Width of a bar.
        limit: Where a line stands: the longest that is allowed.
    """
    most = max(counts, default=0) or 1
    width = _WIDTH / max(1, len(counts))
    columns = [
        element(
            "rect",
            x=f"{number * width:.2f}",
            y=f"{_HEIGHT - _HEIGHT * count / most:.2f}",
            width=f"{max(width - 0.6, 0.5):.2f}",
            height=f"{_HEIGHT * count / most:.2f}",
        )
        for number, count in enumerate(counts)
    ]
    if limit is not None:
        place = f"{min(limit / (step * max(1, len(counts))), 1) * _WIDTH:.2f}"
        columns.append(element("line", x1=place, x2=place, y1=0, y2=_HEIGHT, class_="limit"))
    return element(
        "svg",
        *columns,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=title,
    )
