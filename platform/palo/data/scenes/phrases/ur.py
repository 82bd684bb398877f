"""Scenes in Urdu: nouns in -ہ and colours in -ا change for number, case and gender."""

from typing import NamedTuple

from palo.data.scenes.phrase_book import PhraseBook
from palo.data.scenes.questions import FIGURE, Facts


class _Noun(NamedTuple):
    direct: str
    oblique: str
    plural: str
    feminine: bool = False


class _Colour(NamedTuple):
    masculine: str
    oblique: str
    feminine: str


_NOUNS = {
    FIGURE: _Noun("شکل", "شکل", "شکلیں", feminine=True),
    "circle": _Noun("دائرہ", "دائرے", "دائرے"),
    "square": _Noun("مربع", "مربع", "مربع"),
    "star": _Noun("ستارہ", "ستارے", "ستارے"),
    "heart": _Noun("دل", "دل", "دل"),
    "moon": _Noun("چاند", "چاند", "چاند"),
    "arrow": _Noun("تیر", "تیر", "تیر"),
}
_COLOURS = {
    "red": _Colour("سرخ", "سرخ", "سرخ"),
    "blue": _Colour("نیلا", "نیلے", "نیلی"),
    "green": _Colour("سبز", "سبز", "سبز"),
    "yellow": _Colour("پیلا", "پیلے", "پیلی"),
    "black": _Colour("کالا", "کالے", "کالی"),
    "purple": _Colour("جامنی", "جامنی", "جامنی"),
}
_NO_COLOUR = _Colour("", "", "")
_PLACES = {
    "top_left": "اوپر بائیں طرف",
    "top": "اوپر درمیان میں",
    "top_right": "اوپر دائیں طرف",
    "left": "درمیان میں بائیں طرف",
    "centre": "بالکل درمیان میں",
    "right": "درمیان میں دائیں طرف",
    "bottom_left": "نیچے بائیں طرف",
    "bottom": "نیچے درمیان میں",
    "bottom_right": "نیچے دائیں طرف",
}
_SIDES = {
    "left": "کے بائیں طرف",
    "right": "کے دائیں طرف",
    "above": "کے اوپر",
    "below": "کے نیچے",
}
_NUMBERS = ("صفر", "ایک", "دو", "تین", "چار")


def _slots(facts: Facts) -> dict[str, str]:
    noun = _NOUNS[facts.shape]
    colour = _COLOURS.get(facts.colour, _NO_COLOUR)
    anchor = _NOUNS[facts.anchor_shape or FIGURE]
    anchor_colour = _COLOURS.get(facts.anchor_colour, _NO_COLOUR)
    one = facts.count == 1
    return {
        "noun": noun.direct,
        "noun_obl": noun.oblique,
        "nouns": noun.plural,
        "how_many": "کتنی" if noun.feminine else "کتنے",
        "colour": colour.feminine if noun.feminine else colour.masculine,
        "colour_f": colour.feminine,
        "number": _NUMBERS[facts.count],
        "counted": noun.direct if one else noun.plural,
        "are": "ہے" if one else "ہیں",
        "place": _PLACES.get(facts.place, ""),
        "side": _SIDES.get(facts.side, ""),
        "anchor": f"{anchor_colour.oblique} {anchor.oblique}",
    }


BOOK = PhraseBook(
    language="ur",
    slots=_slots,
    questions={
        "colour": ("{noun} کس رنگ کا ہے", "{noun_obl} کا رنگ کیا ہے"),
        "shape": ("کون سی شکل {colour_f} ہے", "{colour_f} شکل کیا ہے"),
        "place": ("{colour} {noun} کہاں ہے", "{colour} {noun} تصویر میں کس جگہ پر ہے"),
        "at": ("{place} کیا ہے", "{place} کیا نظر آتا ہے"),
        "count_shape": ("تصویر میں {how_many} {nouns} ہیں", "{how_many} {nouns} نظر آتے ہیں"),
        "count_colour": (
            "تصویر میں کتنی {colour_f} شکلیں ہیں",
            "کتنی {colour_f} شکلیں نظر آتی ہیں",
        ),
        "count_all": ("تصویر میں کل کتنی شکلیں ہیں", "کل کتنی شکلیں نظر آتی ہیں"),
        "beside": ("{anchor} {side} کیا ہے", "{anchor} {side} کیا نظر آتا ہے"),
    },
    answers={
        "colour": "{noun} {colour} ہے",
        "shape": "{colour_f} شکل {noun} ہے",
        "place": "{colour} {noun} {place} ہے",
        "at": "{place} ایک {colour} {noun} ہے",
        "count_shape": "تصویر میں {number} {counted} {are}",
        "count_colour": "تصویر میں {number} {colour_f} {counted} {are}",
        "count_all": "تصویر میں کل {number} {counted} {are}",
        "beside": "{anchor} {side} ایک {colour} {noun} ہے",
    },
    request="تصویر کی وضاحت کریں",
)
