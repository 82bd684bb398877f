"""Scenes in French: gender and number agree, le and de contract or elide."""

from typing import NamedTuple

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.questions import FIGURE, SceneFacts


class _Noun(NamedTuple):
    singular: str
    feminine: bool
    elides: bool = False

    @property
    def the(self) -> str:
        if self.elides:
            return f"l’{self.singular}"
        return f"{'la' if self.feminine else 'le'} {self.singular}"

    @property
    def of_the(self) -> str:
        if self.feminine or self.elides:
            return f"de {self.the}"
        return f"du {self.singular}"

    @property
    def of_many(self) -> str:
        return f"{'d’' if self.elides else 'de '}{self.singular}s"


_NOUNS = {
    FIGURE: _Noun("figure", True),
    "circle": _Noun("cercle", False),
    "square": _Noun("carré", False),
    "star": _Noun("étoile", True, elides=True),
    "heart": _Noun("cœur", False),
    "moon": _Noun("lune", True),
    "arrow": _Noun("flèche", True),
}
# Masculine and feminine singular; the plural adds s.
_COLOURS = {
    "red": ("rouge", "rouge"),
    "blue": ("bleu", "bleue"),
    "green": ("vert", "verte"),
    "yellow": ("jaune", "jaune"),
    "black": ("noir", "noire"),
    "purple": ("violet", "violette"),
}
_PLACES = {
    "top_left": "en haut à gauche",
    "top": "en haut au milieu",
    "top_right": "en haut à droite",
    "left": "au milieu à gauche",
    "centre": "en plein centre",
    "right": "au milieu à droite",
    "bottom_left": "en bas à gauche",
    "bottom": "en bas au milieu",
    "bottom_right": "en bas à droite",
}
_SIDES = {
    "left": "à gauche",
    "right": "à droite",
    "above": "au-dessus",
    "below": "au-dessous",
}
_NUMBERS = ("", "", "deux", "trois", "quatre")


def _adjective(colour: str, noun: _Noun) -> str:
    return _COLOURS[colour][noun.feminine] if colour else ""


def _slots(facts: SceneFacts) -> dict[str, str]:
    noun = _NOUNS[facts.shape]
    anchor = _NOUNS[facts.anchor_shape or FIGURE]
    figure_colour = _adjective(facts.colour, _NOUNS[FIGURE])
    one = facts.count == 1
    a_noun = f"{'une' if noun.feminine else 'un'} {noun.singular}"
    return {
        "the_noun": noun.the,
        "of_the_noun": noun.of_the,
        "of_nouns": noun.of_many,
        "a_noun": a_noun,
        "colour": _adjective(facts.colour, noun),
        "figure_colour": figure_colour,
        "counted": a_noun if one else f"{_NUMBERS[facts.count]} {noun.singular}s",
        "counted_colour": figure_colour if one else f"{figure_colour}s",
        "place": _PLACES.get(facts.place, ""),
        "side": _SIDES.get(facts.side, ""),
        "of_anchor": f"{anchor.of_the} {_adjective(facts.anchor_colour, anchor)}",
    }


BOOK = PhraseBook(
    language="fr",
    slots=_slots,
    questions={
        "colour": (
            "de quelle couleur est {the_noun}",
            "quelle est la couleur {of_the_noun}",
        ),
        "shape": (
            "quelle figure est {figure_colour}",
            "quelle est la figure {figure_colour}",
        ),
        "place": (
            "où se trouve {the_noun} {colour}",
            "dans quelle partie de l’image se trouve {the_noun} {colour}",
        ),
        "at": ("qu’y a-t-il {place}", "que voit-on {place}"),
        "count_shape": ("combien y a-t-il {of_nouns}", "combien {of_nouns} voit-on"),
        "count_colour": (
            "combien y a-t-il de figures {figure_colour}s",
            "combien de figures {figure_colour}s voit-on",
        ),
        "count_all": (
            "combien y a-t-il de figures sur l’image",
            "combien de figures voit-on sur l’image",
        ),
        "beside": ("qu’y a-t-il {side} {of_anchor}", "que voit-on {side} {of_anchor}"),
    },
    answers={
        "colour": "{the_noun} est {colour}",
        "shape": "la figure {figure_colour} est {a_noun}",
        "place": "{the_noun} {colour} se trouve {place}",
        "at": "{place}, il y a {a_noun} {colour}",
        "count_shape": "il y a {counted}",
        "count_colour": "il y a {counted} {counted_colour}",
        "count_all": "il y a {counted} sur l’image",
        "beside": "{side} {of_anchor}, il y a {a_noun} {colour}",
    },
    request="décris l’image",
)
