"""Scenes in English."""

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.questions import FIGURE, SceneFacts

_NOUNS = {
    FIGURE: "shape",
    "circle": "circle",
    "square": "square",
    "star": "star",
    "heart": "heart",
    "moon": "moon",
    "arrow": "arrow",
}
_PLACES = {
    "top_left": "at the top left",
    "top": "at the top centre",
    "top_right": "at the top right",
    "left": "at the centre left",
    "centre": "in the very centre",
    "right": "at the centre right",
    "bottom_left": "at the bottom left",
    "bottom": "at the bottom centre",
    "bottom_right": "at the bottom right",
}
_SIDES = {
    "left": "to the left of",
    "right": "to the right of",
    "above": "above",
    "below": "below",
}
_NUMBERS = ("no", "one", "two", "three", "four")


def _slots(facts: SceneFacts) -> dict[str, str]:
    noun = _NOUNS[facts.shape]
    one = facts.count == 1
    return {
        "noun": noun,
        "nouns": f"{noun}s",
        "a_noun": f"an {noun}" if noun[0] in "aeiou" else f"a {noun}",
        "colour": facts.colour,
        "place": _PLACES.get(facts.place, ""),
        "are": "is" if one else "are",
        "number": _NUMBERS[facts.count],
        "counted": noun if one else f"{noun}s",
        "side": _SIDES.get(facts.side, ""),
        "anchor": f"the {facts.anchor_colour} {_NOUNS.get(facts.anchor_shape, '')}",
    }


BOOK = PhraseBook(
    language="en",
    slots=_slots,
    questions={
        "colour": ("what colour is the {noun}", "what is the colour of the {noun}"),
        "shape": ("which shape is {colour}", "what is the {colour} shape"),
        "place": (
            "where is the {colour} {noun}",
            "in which part of the picture is the {colour} {noun}",
        ),
        "at": ("what is {place}", "what do you see {place}"),
        "count_shape": ("how many {nouns} are there", "how many {nouns} do you see"),
        "count_colour": (
            "how many {colour} shapes are there",
            "how many {colour} shapes do you see",
        ),
        "count_all": (
            "how many shapes are there in the picture",
            "how many shapes do you see in the picture",
        ),
        "beside": ("what is {side} {anchor}", "what do you see {side} {anchor}"),
    },
    answers={
        "colour": "the {noun} is {colour}",
        "shape": "the {colour} shape is {a_noun}",
        "place": "the {colour} {noun} is {place}",
        "at": "there is a {colour} {noun} {place}",
        "count_shape": "there {are} {number} {counted}",
        "count_colour": "there {are} {number} {colour} {counted}",
        "count_all": "there {are} {number} {counted} in the picture",
        "beside": "there is a {colour} {noun} {side} {anchor}",
    },
    request="describe the picture",
)
