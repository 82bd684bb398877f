"""Scenes in Arabic: gender, the dual, number words of the opposite gender, broken plurals.

A plural of things takes its adjective in the feminine singular; `كم` takes the accusative singular.
"""

from typing import NamedTuple

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.questions import FIGURE, SceneFacts


class _Noun(NamedTuple):
    singular: str
    accusative: str
    dual: str
    plural: str
    feminine: bool


class _Colour(NamedTuple):
    masculine: str
    feminine: str
    accusative: str
    dual: str


_NOUNS = {
    FIGURE: _Noun("شكل", "شكلًا", "شكلان", "أشكال", False),
    "circle": _Noun("دائرة", "دائرة", "دائرتان", "دوائر", True),
    "square": _Noun("مربع", "مربعًا", "مربعان", "مربعات", False),
    "star": _Noun("نجمة", "نجمة", "نجمتان", "نجمات", True),
    "heart": _Noun("قلب", "قلبًا", "قلبان", "قلوب", False),
    "moon": _Noun("هلال", "هلالًا", "هلالان", "أهلة", False),
    "arrow": _Noun("سهم", "سهمًا", "سهمان", "أسهم", False),
}
_COLOURS = {
    "red": _Colour("أحمر", "حمراء", "أحمر", "أحمران"),
    "blue": _Colour("أزرق", "زرقاء", "أزرق", "أزرقان"),
    "green": _Colour("أخضر", "خضراء", "أخضر", "أخضران"),
    "yellow": _Colour("أصفر", "صفراء", "أصفر", "أصفران"),
    "black": _Colour("أسود", "سوداء", "أسود", "أسودان"),
    "purple": _Colour("بنفسجي", "بنفسجية", "بنفسجيًا", "بنفسجيان"),
}
_NO_COLOUR = _Colour("", "", "", "")
_PLACES = {
    "top_left": "في أعلى اليسار",
    "top": "في أعلى الوسط",
    "top_right": "في أعلى اليمين",
    "left": "في منتصف الجهة اليسرى",
    "centre": "في المركز تمامًا",
    "right": "في منتصف الجهة اليمنى",
    "bottom_left": "في أسفل اليسار",
    "bottom": "في أسفل الوسط",
    "bottom_right": "في أسفل اليمين",
}
_SIDES = {"left": "على يسار", "right": "على يمين", "above": "فوق", "below": "تحت"}
# With a masculine and with a feminine noun.
_NUMBERS = {3: ("ثلاثة", "ثلاث"), 4: ("أربعة", "أربع")}


def _counted(noun: _Noun, colour: _Colour, count: int) -> str:
    if count == 1:
        words = (
            noun.singular,
            colour.feminine if noun.feminine else colour.masculine,
            "واحدة" if noun.feminine else "واحد",
        )
    elif count == 2:
        words = (noun.dual, colour.dual, "")
    else:
        words = (_NUMBERS[count][noun.feminine], noun.plural, colour.feminine)
    return " ".join(word for word in words if word)


def _slots(facts: SceneFacts) -> dict[str, str]:
    noun = _NOUNS[facts.shape]
    anchor = _NOUNS[facts.anchor_shape or FIGURE]
    colour = _COLOURS.get(facts.colour, _NO_COLOUR)
    anchor_colour = _COLOURS.get(facts.anchor_colour, _NO_COLOUR)
    agreeing = colour.feminine if noun.feminine else colour.masculine
    anchor_agreeing = anchor_colour.feminine if anchor.feminine else anchor_colour.masculine
    return {
        "noun": noun.singular,
        "noun_acc": noun.accusative,
        "the_nouns": f"ال{noun.plural}",
        "the_noun": f"ال{noun.singular}",
        "exists": "توجد" if noun.feminine else "يوجد",
        "lies": "تقع" if noun.feminine else "يقع",
        "colour": agreeing,
        "the_colour": f"ال{agreeing}",
        "colour_m": colour.masculine,
        "colour_acc": colour.accusative,
        "colour_f": colour.feminine,
        "counted": _counted(noun, colour, facts.count) if facts.count else "",
        "place": _PLACES.get(facts.place, ""),
        "side": _SIDES.get(facts.side, ""),
        "the_anchor": f"ال{anchor.singular} ال{anchor_agreeing}",
    }


BOOK = PhraseBook(
    language="ar",
    slots=_slots,
    questions={
        "colour": ("ما لون {the_noun}", "ما هو لون {the_noun}"),
        "shape": ("ما الشكل ال{colour_m}", "أي شكل لونه {colour_m}"),
        "place": (
            "أين {exists} {the_noun} {the_colour}",
            "أين {lies} {the_noun} {the_colour}",
        ),
        "at": ("ماذا يوجد {place}", "ماذا ترى {place}"),
        "count_shape": ("كم {noun_acc} في الصورة", "كم عدد {the_nouns} في الصورة"),
        "count_colour": (
            "كم شكلًا {colour_acc} في الصورة",
            "كم عدد الأشكال ال{colour_f} في الصورة",
        ),
        "count_all": ("كم شكلًا في الصورة", "كم عدد الأشكال في الصورة"),
        "beside": ("ماذا يوجد {side} {the_anchor}", "ماذا ترى {side} {the_anchor}"),
    },
    answers={
        "colour": "{the_noun} {colour}",
        "shape": "الشكل ال{colour_m} هو {noun}",
        "place": "{exists} {the_noun} {the_colour} {place}",
        "at": "{exists} {place} {noun} {colour}",
        "count_shape": "في الصورة {counted}",
        "count_colour": "في الصورة {counted}",
        "count_all": "في الصورة {counted}",
        "beside": "{exists} {side} {the_anchor} {noun} {colour}",
    },
    request="صف الصورة",
)
