"""Scenes in Hindi: nouns and colours in -ā change for number, case and gender."""

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
    FIGURE: _Noun("आकृति", "आकृति", "आकृतियाँ", feminine=True),
    "circle": _Noun("वृत्त", "वृत्त", "वृत्त"),
    "square": _Noun("वर्ग", "वर्ग", "वर्ग"),
    "star": _Noun("तारा", "तारे", "तारे"),
    "heart": _Noun("दिल", "दिल", "दिल"),
    "moon": _Noun("चाँद", "चाँद", "चाँद"),
    "arrow": _Noun("तीर", "तीर", "तीर"),
}
_COLOURS = {
    "red": _Colour("लाल", "लाल", "लाल"),
    "blue": _Colour("नीला", "नीले", "नीली"),
    "green": _Colour("हरा", "हरे", "हरी"),
    "yellow": _Colour("पीला", "पीले", "पीली"),
    "black": _Colour("काला", "काले", "काली"),
    "purple": _Colour("बैंगनी", "बैंगनी", "बैंगनी"),
}
_NO_COLOUR = _Colour("", "", "")
_PLACES = {
    "top_left": "ऊपर बाईं ओर",
    "top": "ऊपर बीच में",
    "top_right": "ऊपर दाईं ओर",
    "left": "बीच में बाईं ओर",
    "centre": "ठीक बीच में",
    "right": "बीच में दाईं ओर",
    "bottom_left": "नीचे बाईं ओर",
    "bottom": "नीचे बीच में",
    "bottom_right": "नीचे दाईं ओर",
}
_SIDES = {
    "left": "के बाईं ओर",
    "right": "के दाईं ओर",
    "above": "के ऊपर",
    "below": "के नीचे",
}
_NUMBERS = ("शून्य", "एक", "दो", "तीन", "चार")


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
        "how_many": "कितनी" if noun.feminine else "कितने",
        "colour": colour.feminine if noun.feminine else colour.masculine,
        "colour_f": colour.feminine,
        "number": _NUMBERS[facts.count],
        "counted": noun.direct if one else noun.plural,
        "are": "है" if one else "हैं",
        "place": _PLACES.get(facts.place, ""),
        "side": _SIDES.get(facts.side, ""),
        "anchor": f"{anchor_colour.oblique} {anchor.oblique}",
    }


BOOK = PhraseBook(
    language="hi",
    slots=_slots,
    questions={
        "colour": ("{noun} किस रंग का है", "{noun_obl} का रंग क्या है"),
        "shape": ("कौन सी आकृति {colour_f} है", "{colour_f} आकृति क्या है"),
        "place": ("{colour} {noun} कहाँ है", "{colour} {noun} चित्र में किस जगह पर है"),
        "at": ("{place} क्या है", "{place} क्या दिखता है"),
        "count_shape": ("चित्र में {how_many} {nouns} हैं", "{how_many} {nouns} दिखते हैं"),
        "count_colour": (
            "चित्र में कितनी {colour_f} आकृतियाँ हैं",
            "कितनी {colour_f} आकृतियाँ दिखती हैं",
        ),
        "count_all": ("चित्र में कुल कितनी आकृतियाँ हैं", "कुल कितनी आकृतियाँ दिखती हैं"),
        "beside": ("{anchor} {side} क्या है", "{anchor} {side} क्या दिखता है"),
    },
    answers={
        "colour": "{noun} {colour} है",
        "shape": "{colour_f} आकृति {noun} है",
        "place": "{colour} {noun} {place} है",
        "at": "{place} एक {colour} {noun} है",
        "count_shape": "चित्र में {number} {counted} {are}",
        "count_colour": "चित्र में {number} {colour_f} {counted} {are}",
        "count_all": "चित्र में कुल {number} {counted} {are}",
        "beside": "{anchor} {side} एक {colour} {noun} है",
    },
    request="चित्र का वर्णन करें",
)
