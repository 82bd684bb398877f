"""Texts whose language is known, and in which they are expected: rightly or wrongly."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from palo import languages, storage
from palo.errors import DataError
from palo.translate.perturbations.letters import romanised_text

# Chinese and Japanese words are about two characters.
_SPACELESS = ("Hans", "Jpan")
_SENTENCES_OF_LONG = 4
_ASIDES = (
    " ```python\nfor word in words:\n    print(word.upper())\n```",
    " https://example.org/a/path/with/many/words/in/it.html",
    " (GPT-4, 1024 × 768 px, 3.5 %)",
)
NEIGHBOURS: Mapping[str, tuple[str, ...]] = {
    "Latn": ("deu", "nld", "swe", "ita", "por", "cat", "glg", "ron", "swa", "ind"),
    "Hans": ("zho-TW", "kor"),
    "Jpan": ("zho-TW", "kor"),
    "Cyrl": ("ukr", "bul", "bel", "srp-Cyrl", "mkd", "kaz"),
    "Arab": ("fas", "pus", "ckb-Arab", "uig", "snd-Arab"),
    "Deva": ("mar", "nep"),
}
"""NTREX's files that are passed off as the languages of a script."""


@dataclass(frozen=True, slots=True)
class Case:
    """A text, and the language in which it is expected.

    Attributes:
        kind: What it is an example of.
        expected: ISO 639-1 code.
        text: The text.
    """

    kind: str
    expected: str
    text: str


def read_rows(root: Path) -> list[dict[str, str]]:
    """Reads the parallel sentences of the optional data folder.

    Args:
        root: The checkout.

    Raises:
        DataError: If they aren't there.
    """
    folder = Path(os.environ.get("PALO_DATA") or root.parent / "shared" / "data")
    path = folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    if not path.is_file():
        raise DataError("no parallel sentences", seen=path, fix="Set PALO_DATA to their folder.")
    rows = [json.loads(line) for line in storage.read_text(path).splitlines()]
    return [{code: row[code] for code in languages.codes() if code in row} for row in rows]


def right_cases(rows: Sequence[Mapping[str, str]], draw: Random) -> Iterator[Case]:
    """Yields texts in the language in which they are expected.

    Args:
        rows: Parallel sentences.
        draw: Draws the places of short ones.
    """
    for code in rows[0]:
        texts = [row[code] for row in rows]
        for number, text in enumerate(texts):
            yield Case("sentence", code, text)
            yield Case("with_asides", code, text + _ASIDES[number % len(_ASIDES)])
            for num_words in (1, 2, 4):
                yield Case("short", code, _cut(text, code, num_words, draw))
        for start in range(0, len(texts), _SENTENCES_OF_LONG):
            yield Case("long", code, " ".join(texts[start : start + _SENTENCES_OF_LONG]))


def named_cases(codes: Sequence[str]) -> Iterator[Case]:
    """Yields names of countries, languages, currencies, months and days: answers of a word or two.

    Args:
        codes: The languages.

    Source: Unicode's Common Locale Data Repository, in babel.
    """
    from babel import Locale

    for code in codes:
        names = Locale(code)
        months, days = names.months["format"]["wide"], names.days["format"]["wide"]
        tables = (names.territories, names.languages, names.currencies, months, days)
        for name in sorted({str(name) for table in tables for name in table.values()}):
            yield Case("name", code, name)


def wrong_cases(rows: Sequence[Mapping[str, str]], draw: Random) -> Iterator[Case]:
    """Yields texts that aren't in the language in which they are expected.

    Args:
        rows: Parallel sentences.
        draw: Draws places and letters.
    """
    codes = tuple(rows[0])
    for code in codes:
        others = [other for other in codes if other != code]
        is_latin = languages.get(code).script == "Latn"
        for number, row in enumerate(rows):
            other = others[number % len(others)]
            yield Case("wrong_language", code, row[other])
            yield Case("short_wrong_language", code, _cut(row[other], other, 4, draw))
            if not is_latin:
                yield Case("romanised", code, romanised_text(row[code], draw))
        for number, (row, after) in enumerate(pairwise(rows)):
            other = others[number % len(others)]
            yield Case("code_switched", code, f"{row[code]} {after[other]}")


def neighbour_cases(
    folder: Path, rows: Sequence[Mapping[str, str]], numbers: Sequence[int]
) -> Iterator[Case]:
    """Yields sentences of languages that the platform doesn't know.

    Args:
        folder: NTREX-128's folder of sentences, a file for each language.
        rows: The parallel sentences.
        numbers: Those of `rows` to take.
    """
    english = _lines(folder / "newstest2019-src.eng.txt")
    places = {text: place for place, text in reversed(list(enumerate(english)))}
    found = [places[rows[n]["en"].strip()] for n in numbers if rows[n]["en"].strip() in places]
    for code in rows[0]:
        for name in NEIGHBOURS.get(languages.get(code).script, ()):
            texts = _lines(folder / f"newstest2019-ref.{name}.txt")
            for place in found:
                yield Case("neighbour", code, texts[place])


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in storage.read_text(path).split("\n")]


def _cut(text: str, code: str, num_words: int, draw: Random) -> str:
    """Returns some words in a row of a sentence."""
    if languages.get(code).script in _SPACELESS:
        start = draw.randrange(max(1, len(text) - 2 * num_words + 1))
        return text[start : start + 2 * num_words]
    words = text.split()
    start = draw.randrange(max(1, len(words) - num_words + 1))
    return " ".join(words[start : start + num_words])
