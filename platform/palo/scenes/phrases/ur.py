"""Scenes in Urdu: nouns in -ہ and colours in -ا change for number, case and gender."""

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.phrases.hindustani import Colour, HindustaniWords, Noun, slots_of
from palo.scenes.questions import FIGURE

_NOUNS = {
    FIGURE: Noun("شکل", "شکل", "شکلیں", feminine=True),
    "circle": Noun("دائرہ", "دائرے", "دائرے"),
    "square": Noun("مربع", "مربع", "مربع"),
    "star": Noun("ستارہ", "ستارے", "ستارے"),
    "heart": Noun("دل", "دل", "دل"),
    "moon": Noun("چاند", "چاند", "چاند"),
    "arrow": Noun("تیر", "تیر", "تیر"),
}
_COLOURS = {
    "red": Colour("سرخ", "سرخ", "سرخ"),
    "blue": Colour("نیلا", "نیلے", "نیلی"),
    "green": Colour("سبز", "سبز", "سبز"),
    "yellow": Colour("پیلا", "پیلے", "پیلی"),
    "black": Colour("کالا", "کالے", "کالی"),
    "purple": Colour("جامنی", "جامنی", "جامنی"),
}
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


_WORDS = HindustaniWords(
    nouns=_NOUNS,
    colours=_COLOURS,
    places=_PLACES,
    sides=_SIDES,
    numbers=_NUMBERS,
    how_many=("کتنے", "کتنی"),
    are=("ہے", "ہیں"),
)


BOOK = PhraseBook(
    language="ur",
    slots=slots_of(_WORDS),
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
