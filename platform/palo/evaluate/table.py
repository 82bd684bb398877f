"""A table for the terminal, aligned whatever scripts are in it."""

import unicodedata
from collections.abc import Sequence

from palo import languages
from palo.evaluate.exact_match import Accuracy, AccuracyShare

_GAP = "  "
_HEADINGS = ("code", "language", "in itself", "n", "accuracy", "95 % interval")
_WITHOUT = "without image"
# Isolates keep a right-to-left name from turning the numbers beside it around.
_RIGHT_TO_LEFT_ISOLATE, _POP_ISOLATE = "\u2067", "\u2069"


def accuracy_table(accuracy: Accuracy, without_image: Accuracy | None = None) -> str:
    """Returns accuracy by language, and the averages, as lines of text.

    Args:
        accuracy: With the image.
        without_image: The same questions without it, for a last column.
    """
    headings = [*_HEADINGS, *([_WITHOUT] if without_image else [])]
    rows = []
    for code, share in accuracy.by_language.items():
        language = languages.get(code)
        name = language.native_name
        if language.direction == "rtl":
            name = f"{_RIGHT_TO_LEFT_ISOLATE}{name}{_POP_ISOLATE}"
        other = without_image.by_language.get(code) if without_image else None
        rows.append([code, language.name, name, *_figures(share, other)])
    averages = [["", "average", "", *_figures(accuracy.average, _average(without_image))]]
    for resource, share in accuracy.by_resource.items():
        other = without_image.by_resource.get(resource) if without_image else None
        averages.append(["", f"{resource}-resource", "", *_figures(share, other)])
    return _aligned([headings, *rows], averages)


def _average(accuracy: Accuracy | None) -> AccuracyShare | None:
    return accuracy.average if accuracy else None


def _figures(share: AccuracyShare, without_image: AccuracyShare | None) -> list[str]:
    figures = [
        f"{share.num_questions:,}",
        f"{share.value:.1%}",
        f"{share.low:.1%} to {share.high:.1%}",
    ]
    return figures + ([f"{without_image.value:.1%}"] if without_image else [])


def _aligned(rows: Sequence[Sequence[str]], totals: Sequence[Sequence[str]]) -> str:
    num_names = _HEADINGS.index("n")
    columns = zip(*rows, *totals, strict=True)
    widths = [max(map(display_width, column)) for column in columns]

    def line(row: Sequence[str]) -> str:
        cells = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - display_width(cell))
            cells.append(cell + space if number < num_names else space + cell)
        return _GAP.join(cells).rstrip()

    rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    return "\n".join([line(rows[0]), rule, *map(line, rows[1:]), rule, *map(line, totals)])


def display_width(text: str) -> int:
    """Returns how many columns of a terminal a text takes.

    Wide characters take two, marks that combine with the one before and controls none. Vowel signs
    that stand beside their letter (Unicode's Mc) take one.

    Source: Unicode Standard Annex 11, East Asian Width.
    """
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
