"""Scenes in Hindi: nouns and colours in -ā change for number, case and gender."""

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.phrases.hindustani import Colour, HindustaniWords, Noun, slots_of
from palo.scenes.questions import FIGURE

_NOUNS = {
    FIGURE: Noun("आकृति", "आकृति", "आकृतियाँ", feminine=True),
    "circle": Noun("वृत्त", "वृत्त", "वृत्त"),
    "square": Noun("वर्ग", "वर्ग", "वर्ग"),
    "star": Noun("तारा", "तारे", "तारे"),
    "heart": Noun("दिल", "दिल", "दिल"),
    "moon": Noun("चाँद", "चाँद", "चाँद"),
    "arrow": Noun("तीर", "तीर", "तीर"),
}
_COLOURS = {
    "red": Colour("लाल", "लाल", "लाल"),
    "blue": Colour("नीला", "नीले", "नीली"),
    "green": Colour("हरा", "हरे", "हरी"),
    "yellow": Colour("पीला", "पीले", "पीली"),
    "black": Colour("काला", "काले", "काली"),
    "purple": Colour("बैंगनी", "बैंगनी", "बैंगनी"),
}
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


_WORDS = HindustaniWords(
    nouns=_NOUNS,
    colours=_COLOURS,
    places=_PLACES,
    sides=_SIDES,
    numbers=_NUMBERS,
    how_many=("कितने", "कितनी"),
    are=("है", "हैं"),
)


BOOK = PhraseBook(
    language="hi",
    slots=slots_of(_WORDS),
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
