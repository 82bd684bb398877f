"""Scenes in Bengali: a thing that is named takes the article -টি, and so does a number."""

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.questions import FIGURE, SceneFacts

_NOUNS = {
    FIGURE: "আকৃতি",
    "circle": "বৃত্ত",
    "square": "বর্গক্ষেত্র",
    "star": "তারা",
    "heart": "হৃদয়",
    "moon": "চাঁদ",
    "arrow": "তীর",
}
_COLOURS = {
    "red": "লাল",
    "blue": "নীল",
    "green": "সবুজ",
    "yellow": "হলুদ",
    "black": "কালো",
    "purple": "বেগুনি",
}
_PLACES = {
    "top_left": "উপরে বাঁ দিকে",
    "top": "উপরে মাঝখানে",
    "top_right": "উপরে ডান দিকে",
    "left": "মাঝখানে বাঁ দিকে",
    "centre": "ঠিক মাঝখানে",
    "right": "মাঝখানে ডান দিকে",
    "bottom_left": "নিচে বাঁ দিকে",
    "bottom": "নিচে মাঝখানে",
    "bottom_right": "নিচে ডান দিকে",
}
_SIDES = {"left": "বাঁ দিকে", "right": "ডান দিকে", "above": "উপরে", "below": "নিচে"}
_NUMBERS = ("শূন্যটি", "একটি", "দুটি", "তিনটি", "চারটি")


def _slots(facts: SceneFacts) -> dict[str, str]:
    return {
        "noun": _NOUNS[facts.shape],
        "colour": _COLOURS.get(facts.colour, ""),
        "place": _PLACES.get(facts.place, ""),
        "number": _NUMBERS[facts.count],
        "side": _SIDES.get(facts.side, ""),
        "of_anchor": f"{_COLOURS.get(facts.anchor_colour, '')} "
        f"{_NOUNS.get(facts.anchor_shape, '')}টির",
    }


BOOK = PhraseBook(
    language="bn",
    slots=_slots,
    questions={
        "colour": ("{noun}টির রং কী", "{noun}টি কোন রঙের"),
        "shape": ("কোন আকৃতিটি {colour}", "{colour} আকৃতিটি কী"),
        "place": ("{colour} {noun}টি কোথায় আছে", "{colour} {noun}টি ছবির কোন জায়গায় আছে"),
        "at": ("{place} কী আছে", "{place} কী দেখা যাচ্ছে"),
        "count_shape": ("ছবিতে কয়টি {noun} আছে", "ছবিতে কয়টি {noun} দেখা যাচ্ছে"),
        "count_colour": (
            "ছবিতে কয়টি {colour} আকৃতি আছে",
            "ছবিতে কয়টি {colour} আকৃতি দেখা যাচ্ছে",
        ),
        "count_all": ("ছবিতে মোট কয়টি আকৃতি আছে", "ছবিতে মোট কয়টি আকৃতি দেখা যাচ্ছে"),
        "beside": ("{of_anchor} {side} কী আছে", "{of_anchor} {side} কী দেখা যাচ্ছে"),
    },
    answers={
        "colour": "{noun}টির রং {colour}",
        "shape": "{colour} আকৃতিটি একটি {noun}",
        "place": "{colour} {noun}টি {place} আছে",
        "at": "{place} একটি {colour} {noun} আছে",
        "count_shape": "ছবিতে {number} {noun} আছে",
        "count_colour": "ছবিতে {number} {colour} আকৃতি আছে",
        "count_all": "ছবিতে মোট {number} আকৃতি আছে",
        "beside": "{of_anchor} {side} একটি {colour} {noun} আছে",
    },
    request="ছবিটির বর্ণনা দিন",
)
