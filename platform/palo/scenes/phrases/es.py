"""Scenes in Spanish: articles and colours agree in gender and number; de and el contract."""

from typing import NamedTuple

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.questions import FIGURE, SceneFacts


class _Noun(NamedTuple):
    singular: str
    plural: str
    feminine: bool


_NOUNS = {
    FIGURE: _Noun("figura", "figuras", True),
    "circle": _Noun("círculo", "círculos", False),
    "square": _Noun("cuadrado", "cuadrados", False),
    "star": _Noun("estrella", "estrellas", True),
    "heart": _Noun("corazón", "corazones", False),
    "moon": _Noun("luna", "lunas", True),
    "arrow": _Noun("flecha", "flechas", True),
}
# Masculine and feminine singular; the plural adds s, or es after a consonant.
_COLOURS = {
    "red": ("rojo", "roja"),
    "blue": ("azul", "azul"),
    "green": ("verde", "verde"),
    "yellow": ("amarillo", "amarilla"),
    "black": ("negro", "negra"),
    "purple": ("morado", "morada"),
}
_PLACES = {
    "top_left": "arriba a la izquierda",
    "top": "arriba en el centro",
    "top_right": "arriba a la derecha",
    "left": "en el centro a la izquierda",
    "centre": "justo en el centro",
    "right": "en el centro a la derecha",
    "bottom_left": "abajo a la izquierda",
    "bottom": "abajo en el centro",
    "bottom_right": "abajo a la derecha",
}
_SIDES = {
    "left": "a la izquierda",
    "right": "a la derecha",
    "above": "encima",
    "below": "debajo",
}
_NUMBERS = ("", "", "dos", "tres", "cuatro")


def _adjective(colour: str, noun: _Noun) -> str:
    return _COLOURS[colour][noun.feminine] if colour else ""


def _plural(adjective: str) -> str:
    return f"{adjective}es" if adjective.endswith("l") else f"{adjective}s"


def _slots(facts: SceneFacts) -> dict[str, str]:
    noun = _NOUNS[facts.shape]
    anchor = _NOUNS[facts.anchor_shape or FIGURE]
    colour = _adjective(facts.colour, noun)
    figure_colour = _adjective(facts.colour, _NOUNS[FIGURE])
    one = facts.count == 1
    a = "una" if noun.feminine else "un"
    number = a if one else _NUMBERS[facts.count]
    return {
        "the": "la" if noun.feminine else "el",
        "of_the": "de la" if noun.feminine else "del",
        "a": a,
        "noun": noun.singular,
        "nouns": noun.plural,
        "how_many": "cuántas" if noun.feminine else "cuántos",
        "colour": colour,
        "colours": _plural(colour),
        "figure_colour": figure_colour,
        "counted": f"{number} {noun.singular if one else noun.plural}",
        "counted_colour": colour if one else _plural(colour),
        "place": _PLACES.get(facts.place, ""),
        "side": _SIDES.get(facts.side, ""),
        "of_anchor": f"{'de la' if anchor.feminine else 'del'} {anchor.singular} "
        f"{_adjective(facts.anchor_colour, anchor)}",
    }


BOOK = PhraseBook(
    language="es",
    slots=_slots,
    questions={
        "colour": ("¿de qué color es {the} {noun}", "¿cuál es el color {of_the} {noun}"),
        "shape": ("¿qué figura es {figure_colour}", "¿qué forma tiene la figura {figure_colour}"),
        "place": (
            "¿dónde está {the} {noun} {colour}",
            "¿en qué parte de la imagen está {the} {noun} {colour}",
        ),
        "at": ("¿qué hay {place}", "¿qué se ve {place}"),
        "count_shape": ("¿{how_many} {nouns} hay", "¿{how_many} {nouns} se ven"),
        "count_colour": (
            "¿cuántas figuras {colours} hay",
            "¿cuántas figuras {colours} se ven",
        ),
        "count_all": ("¿cuántas figuras hay en la imagen", "¿cuántas figuras se ven en la imagen"),
        "beside": ("¿qué hay {side} {of_anchor}", "¿qué se ve {side} {of_anchor}"),
    },
    answers={
        "colour": "{the} {noun} es {colour}",
        "shape": "la figura {figure_colour} es {a} {noun}",
        "place": "{the} {noun} {colour} está {place}",
        "at": "{place} hay {a} {noun} {colour}",
        "count_shape": "hay {counted}",
        "count_colour": "hay {counted} {counted_colour}",
        "count_all": "hay {counted} en la imagen",
        "beside": "{side} {of_anchor} hay {a} {noun} {colour}",
    },
    request="describe la imagen",
)
