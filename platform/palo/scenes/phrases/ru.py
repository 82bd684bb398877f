"""Scenes in Russian: three genders; two to four take the genitive singular, сколько the plural."""

from typing import NamedTuple

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.questions import FIGURE, SceneFacts


class _Noun(NamedTuple):
    nominative: str
    genitive: str
    genitive_plural: str
    gender: int  # 0 masculine, 1 feminine, 2 neuter: the index into an adjective's endings


class _Endings(NamedTuple):
    nominative: tuple[str, str, str]
    genitive: tuple[str, str, str]
    nominative_plural: str
    genitive_plural: str


_NOUNS = {
    FIGURE: _Noun("фигура", "фигуры", "фигур", 1),
    "circle": _Noun("круг", "круга", "кругов", 0),
    "square": _Noun("квадрат", "квадрата", "квадратов", 0),
    "star": _Noun("звезда", "звезды", "звёзд", 1),
    "heart": _Noun("сердце", "сердца", "сердец", 2),
    "moon": _Noun("полумесяц", "полумесяца", "полумесяцев", 0),
    "arrow": _Noun("стрелка", "стрелки", "стрелок", 1),
}
_HARD = _Endings(("ый", "ая", "ое"), ("ого", "ой", "ого"), "ые", "ых")
_SOFT = _Endings(("ий", "яя", "ее"), ("его", "ей", "его"), "ие", "их")
_COLOURS = {
    "red": ("красн", _HARD),
    "blue": ("син", _SOFT),
    "green": ("зелён", _HARD),
    "yellow": ("жёлт", _HARD),
    "black": ("чёрн", _HARD),
    "purple": ("фиолетов", _HARD),
}
_NO_COLOUR = ("", _HARD)
_PLACES = {
    "top_left": "слева вверху",
    "top": "вверху посередине",
    "top_right": "справа вверху",
    "left": "слева посередине",
    "centre": "в самом центре",
    "right": "справа посередине",
    "bottom_left": "слева внизу",
    "bottom": "внизу посередине",
    "bottom_right": "справа внизу",
}
_SIDES = {"left": "слева от", "right": "справа от", "above": "выше", "below": "ниже"}
_NUMBERS = (
    ("ноль", "ноль", "ноль"),
    ("один", "одна", "одно"),
    ("два", "две", "два"),
    ("три", "три", "три"),
    ("четыре", "четыре", "четыре"),
)


def _slots(facts: SceneFacts) -> dict[str, str]:
    noun = _NOUNS[facts.shape]
    anchor = _NOUNS[facts.anchor_shape or FIGURE]
    stem, endings = _COLOURS.get(facts.colour, _NO_COLOUR)
    anchor_stem, anchor_endings = _COLOURS.get(facts.anchor_colour, _NO_COLOUR)
    one = facts.count == 1
    number = _NUMBERS[facts.count][noun.gender]
    return {
        "noun": noun.nominative,
        "noun_gen": noun.genitive,
        "nouns_gen": noun.genitive_plural,
        "colour": stem + endings.nominative[noun.gender],
        "figure_colour": stem + endings.nominative[_NOUNS[FIGURE].gender],
        "colours_gen": stem + endings.genitive_plural,
        "number": number,
        "counted": noun.nominative if one else noun.genitive,
        "counted_colour": stem
        + (endings.nominative[noun.gender] if one else endings.nominative_plural),
        "place": _PLACES.get(facts.place, ""),
        "side": _SIDES.get(facts.side, ""),
        "anchor_gen": f"{anchor_stem}{anchor_endings.genitive[anchor.gender]} {anchor.genitive}",
    }


BOOK = PhraseBook(
    language="ru",
    slots=_slots,
    questions={
        "colour": ("какого цвета {noun}", "какой цвет у {noun_gen}"),
        "shape": ("какая фигура {figure_colour}", "что это за {figure_colour} фигура"),
        "place": (
            "где находится {colour} {noun}",
            "в какой части картинки находится {colour} {noun}",
        ),
        "at": ("что находится {place}", "что нарисовано {place}"),
        "count_shape": ("сколько {nouns_gen} на картинке", "сколько на картинке {nouns_gen}"),
        "count_colour": (
            "сколько {colours_gen} фигур на картинке",
            "сколько на картинке {colours_gen} фигур",
        ),
        "count_all": ("сколько всего фигур на картинке", "сколько фигур на картинке"),
        "beside": ("что находится {side} {anchor_gen}", "что нарисовано {side} {anchor_gen}"),
    },
    answers={
        "colour": "{noun} {colour}",
        "shape": "{figure_colour} фигура — это {noun}",
        "place": "{colour} {noun} находится {place}",
        "at": "{place} находится {colour} {noun}",
        "count_shape": "на картинке {number} {counted}",
        "count_colour": "на картинке {number} {counted_colour} {counted}",
        "count_all": "всего на картинке {number} {counted}",
        "beside": "{side} {anchor_gen} находится {colour} {noun}",
    },
    request="опиши картинку",
)
