"""The paper's averages over languages: Avg.H, Avg.L and Avg."""

from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

from palo import languages

AVERAGES = {"high": "Avg.H", "low": "Avg.L", "all": "Avg."}
"""The averages by the class of the languages that they are over, with the paper's words."""


class Averages(NamedTuple):
    """Means over languages, each counting the same; None where no language is of the class.

    Attributes:
        high: Over the high-resource languages.
        low: Over the low-resource languages.
        all: Over all.
    """

    high: float | None
    low: float | None
    all: float | None


def averages(values: Mapping[str, float]) -> Averages:
    """Averages values by language.

    Args:
        values: By ISO 639-1 code.
    """
    return Averages(*(_mean([values[c] for c in codes_of(name, values)]) for name in AVERAGES))


def codes_of(name: str, present: Mapping[str, object]) -> list[str]:
    """Returns the languages that an average is over, of those that are present.

    Args:
        name: high, low or all.
        present: By ISO 639-1 code.
    """
    return [code for code in present if name in ("all", languages.get(code).resource)]


def _mean(values: list[float]) -> float | None:
    return fmean(values) if values else None
