"""The numbers of the PALO paper (arXiv 2402.14818, Tables 1 and 2), to stand beside ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from palo import languages
from palo.evaluate.statistics.relative import AVERAGES, Averages, averages

# Each line: the languages in the registry's order, then the averages as the paper prints them.
_TABLE_1 = """
LLaVA-7B         67.9 55.7 62.4 64.5 55.3 59.2 38.9 29.4 13.9 21.8 | 60.8 26.0 46.9
PALO-7B          64.2 55.7 58.3 61.0 57.4 57.5 57.8 57.6 51.7 55.3 | 59.0 55.6 57.7
LLaVA-13B        69.5 62.9 67.5 64.6 62.3 65.3 37.2 27.8 20.4 22.1 | 65.4 26.9 49.9
PALO-13B         65.5 62.1 66.4 65.9 62.4 60.6 56.9 66.8 53.5 59.6 | 63.8 59.2 61.9
MobileVLM-1.7B   46.6 23.2 28.1 29.1 28.1 26.4 12.4 13.7 15.6 15.6 | 30.3 14.3 23.9
MobilePALO-1.7B  48.2 34.0 42.6 40.1 38.2 32.5 32.8 26.8 19.9 24.1 | 39.3 25.9 33.9
"""
_TABLE_2 = """
665K-English     67.9 55.7 62.4 64.5 55.3 59.2 38.9 29.4 13.9 21.8 | - - 46.9
150K-Chinese     59.3 55.0 60.0 57.0 32.9 40.5 21.2 20.3 21.7 19.3 | - - 38.7
150K-French      51.0 41.0 57.8 54.4 35.4 54.6 17.6 23.2 13.1 16.7 | - - 36.5
150K-Spanish     61.1 52.2 54.8 61.6 50.1 51.7 27.8 24.4 15.4 18.5 | - - 41.8
150K-Russian     55.2 51.1 62.2 60.6 57.8 50.9 25.3 28.2 13.6 16.7 | - - 42.2
150K-Japanese    54.5 41.1 59.2 57.6 36.1 57.6 18.0 23.6 13.3 18.4 | - - 37.9
150K-Arabic      67.8 42.9 56.4 54.7 38.4 44.7 56.0 25.7 19.4 33.4 | - - 43.9
150K-Hindi       52.2 39.1 56.8 54.0 35.0 33.4 18.4 54.1 12.8 23.8 | - - 37.9
150K-Bengali     26.4 40.2 56.0 54.5 37.3 26.0 12.8 16.3 34.8 14.0 | - - 31.8
150K-Urdu        28.9 30.6 44.6 50.1 22.5 16.0 22.1 25.5 20.9 47.7 | - - 30.9
Combined         64.2 55.7 58.3 61.0 57.4 57.5 57.8 57.6 51.7 55.3 | - - 57.7
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrintedRow:
    """One row of a table of the paper.

    Attributes:
        name: The model, or its training language.
        by_language: Relative scores by ISO 639-1 code.
        printed: The averages as the paper prints them; None where it prints none.
    """

    name: str
    by_language: Mapping[str, float]
    printed: Averages


def _rows(table: str) -> tuple[PrintedRow, ...]:
    rows = []
    for line in table.strip().splitlines():
        scores, printed = line.split("|")
        name, *values = scores.split()
        codes = languages.codes()[: len(values)]
        rows.append(
            PrintedRow(
                name=name,
                by_language=dict(zip(codes, map(float, values), strict=True)),
                printed=Averages(
                    *(None if word == "-" else float(word) for word in printed.split())
                ),
            )
        )
    return tuple(rows)


TABLE_1 = _rows(_TABLE_1)
"""Models by test language."""

TABLE_2 = _rows(_TABLE_2)
"""7B models trained on one language each, and on all, by test language."""

Rounding = Literal["exact", "rounded", "truncated", "either", "neither"]


def printed_how(value: float, printed: float) -> Rounding:
    """Tells how a number became the one with one decimal that is printed.

    Args:
        value: The number.
        printed: What is printed.
    """
    hundredths = round(value * 100, 6)
    tenths = round(printed * 10)
    if abs(hundredths - 10 * tenths) < 1e-6:
        return "exact"
    rounded = int(hundredths / 10 + 0.5) == tenths
    truncated = int(hundredths / 10) == tenths
    if rounded and truncated:
        return "either"
    return "rounded" if rounded else ("truncated" if truncated else "neither")


def cut_off_averages(rows: Sequence[PrintedRow]) -> list[str]:
    """Returns the averages that the paper cut off after one decimal where it rounds others.

    Args:
        rows: Rows of its tables.

    Returns:
        For each, in words: row, average, what is printed, and what it is.
    """
    found = []
    for row in rows:
        own = averages(row.by_language)
        for name, value, printed in zip(AVERAGES.values(), own, row.printed, strict=True):
            if value is None or printed is None:
                continue
            if printed_how(value, printed) == "truncated":
                found.append(f"{row.name} {name} {printed} (is {value:.2f})")
    return found
