"""The grammar that Hindi and Urdu share: nouns and colours change for number, case and gender."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from palo.scenes.questions import FIGURE, SceneFacts


class Noun(NamedTuple):
    """The forms of a noun."""

    direct: str
    oblique: str
    plural: str
    feminine: bool = False


class Colour(NamedTuple):
    """The forms of a colour."""

    masculine: str
    oblique: str
    feminine: str


_NO_COLOUR = Colour("", "", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class HindustaniWords:
    """The words of one of the two languages.

    Attributes:
        nouns: By shape.
        colours: By colour.
        places: By place.
        sides: What follows the anchor, by side.
        numbers: From zero on.
        how_many: Masculine and feminine.
        are: Singular and plural.
    """

    nouns: Mapping[str, Noun]
    colours: Mapping[str, Colour]
    places: Mapping[str, str]
    sides: Mapping[str, str]
    numbers: tuple[str, ...]
    how_many: tuple[str, str]
    are: tuple[str, str]


def slots_of(words: HindustaniWords) -> Callable[[SceneFacts], dict[str, str]]:
    """Returns a function that gives the inflected phrases for the facts of a question.

    Args:
        words: The words of one language.
    """

    def slots(facts: SceneFacts) -> dict[str, str]:
        noun = words.nouns[facts.shape]
        colour = words.colours.get(facts.colour, _NO_COLOUR)
        anchor = words.nouns[facts.anchor_shape or FIGURE]
        anchor_colour = words.colours.get(facts.anchor_colour, _NO_COLOUR)
        one = facts.count == 1
        return {
            "noun": noun.direct,
            "noun_obl": noun.oblique,
            "nouns": noun.plural,
            "how_many": words.how_many[noun.feminine],
            "colour": colour.feminine if noun.feminine else colour.masculine,
            "colour_f": colour.feminine,
            "number": words.numbers[facts.count],
            "counted": noun.direct if one else noun.plural,
            "are": words.are[not one],
            "place": words.places.get(facts.place, ""),
            "side": words.sides.get(facts.side, ""),
            "anchor": f"{anchor_colour.oblique} {anchor.oblique}",
        }

    return slots
