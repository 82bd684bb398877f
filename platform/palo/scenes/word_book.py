"""A phrase book made of a file of words: forms of nouns, words that agree with them, templates.

`words_en.toml` shows the file for English. Nouns have forms by number, named as Unicode's CLDR
names them, and may have a class, such as a gender; colours and numbers may have a form for each
class, and for a class in one number: `any`, `5`, `5.other`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from palo.config import from_dict
from palo.errors import ConfigError
from palo.scenes.questions import FIGURE, KINDS, SIDES, Kind, SceneFacts
from palo.scenes.scene import COLOURS, MAX_THINGS, PLACES, SHAPES

_ONE, _MANY = "one", "other"
_COUNTS = tuple(str(count) for count in range(1, MAX_THINGS + 1))
Word = str | Mapping[str, str]
"""A word that is always the same, or its forms by class or by number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneWords:
    """The words of a language for scenes.

    Attributes:
        request: Asks for a description of the image, without the mark at its end.
        joiner: What stands between two sentences.
        nouns: Forms of each shape and of `figure`, its class among them.
        colours: Words for colours.
        places: Words for places.
        sides: Words for sides.
        numbers: Words for the numbers from 1 to 4.
        plurals: Name of a noun's form beside each of these numbers.
        by_count: Other words whose form depends on the number; each is a slot.
        questions: Wordings of each kind of question.
        answers: The answer to each kind.
    """

    request: str
    joiner: str = " "
    nouns: Mapping[str, Any]
    colours: Mapping[str, Any]
    places: Mapping[str, str]
    sides: Mapping[str, str]
    numbers: Mapping[str, Any]
    plurals: Mapping[str, str] = field(default_factory=dict)
    by_count: Mapping[str, Any] = field(default_factory=dict)
    questions: Mapping[str, Any]
    answers: Mapping[str, str]

    def missing(self) -> list[str]:
        """Returns the names of entries that are not there yet, such as `nouns.circle`."""
        wanted: Mapping[str, tuple[str, ...]] = {
            "nouns": (FIGURE, *SHAPES),
            "colours": COLOURS,
            "places": PLACES,
            "sides": SIDES,
            "numbers": _COUNTS,
            "questions": KINDS,
            "answers": KINDS,
        }
        return [
            f"{table}.{key}"
            for table, keys in wanted.items()
            for key in keys
            if not getattr(self, table).get(key)
        ]

    def slots(self, facts: SceneFacts) -> dict[str, str]:
        """Returns the words for the facts of one question.

        Args:
            facts: The facts.
        """
        noun, figure = self.nouns[facts.shape], self.nouns[FIGURE]
        anchor = self.nouns[facts.anchor_shape or FIGURE]
        count = str(facts.count)
        form = self.plurals.get(count, _ONE if count == "1" else _MANY)
        found = {
            name: _form(word, form) if isinstance(word, Mapping) else word
            for name, word in self.by_count.items()
        }
        return found | {
            "noun": _form(noun, _ONE),
            "nouns": _form(noun, _MANY),
            "a_noun": _form(noun, "a"),
            "colour": self._colour(facts.colour, noun),
            "place": self.places.get(facts.place, ""),
            "side": self.sides.get(facts.side, ""),
            "anchor": _form(anchor, _ONE),
            "anchor_colour": self._colour(facts.anchor_colour, anchor),
            "figure": _form(figure, _ONE),
            "figures": _form(figure, _MANY),
            "a_figure": _form(figure, "a"),
            "figure_colour": self._colour(facts.colour, figure),
            "figures_colour": self._colour(facts.colour, figure, _MANY),
            "number": _agreeing(self.numbers[count], noun, form) if facts.count else "",
            "counted": _form(noun, form),
            "counted_colour": self._colour(facts.colour, noun, form),
        }

    def _colour(self, colour: str, noun: Mapping[str, str], form: str = _ONE) -> str:
        return _agreeing(self.colours[colour], noun, form) if colour else ""


def _form(noun: Mapping[str, str], form: str) -> str:
    """Returns a form of a noun; where it is the same as another, a file may leave it out."""
    return noun.get(form) or noun.get(_MANY if form not in ("a", _ONE) else _ONE) or noun[_ONE]


def _agreeing(word: Word, noun: Mapping[str, str], form: str) -> str:
    if isinstance(word, str):
        return word
    kind = noun.get("class", "any")
    names = (f"{kind}.{form}", kind, f"any.{form}", "any") if form != _ONE else (kind, "any")
    return next((word[name] for name in names if name in word), next(iter(word.values())))


def read_scene_words(values: Mapping[str, Any], file: str) -> SceneWords | None:
    """Returns the words that a file holds; None if some are still missing.

    Args:
        values: What the file says.
        file: Its name, for errors.

    Raises:
        ConfigError: If an entry is unknown, has the wrong type, or a template has an unknown slot.
    """
    tables = ("nouns", "colours", "places", "sides", "numbers", "questions", "answers")
    complete = {table: {} for table in tables} | {"request": ""} | dict(values)
    try:
        words = from_dict(SceneWords, complete)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error.fact}", seen=error.seen, fix=error.fix) from error
    if not words.request or words.missing():
        return None
    if wrong := [name for name, value in values.items() if not _is_text(value)]:
        raise ConfigError(
            f"{file} has an entry that is no text", seen=f"in {', '.join(wrong)}", fix="Quote it."
        )
    example = SceneFacts(
        kind="colour", shape="star", colour="red", place="top", count=2, side="left",
        anchor_shape="moon", anchor_colour="blue",
    )  # fmt: skip
    try:
        known = words.slots(example)
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{file} has a noun, colour or number of another form than English",
            seen=error,
            fix="Write it as in palo/scenes/words_en.toml.",
        ) from error
    for kind in KINDS:
        for template in (*wordings(words, kind), words.answers[kind]):
            try:
                template.format_map(known)
            except (KeyError, ValueError, IndexError) as error:
                raise ConfigError(
                    f"{file} has a template with an unknown slot",
                    seen=template,
                    fix=f"Slots are {', '.join(known)}.",
                ) from error
    return words


def _is_text(value: object) -> bool:
    """Returns whether a value is a text, or some of them in lists and tables."""
    if isinstance(value, Mapping):
        return all(map(_is_text, value.values()))
    return all(map(_is_text, value)) if isinstance(value, list) else isinstance(value, str)


def wordings(words: SceneWords, kind: Kind) -> tuple[str, ...]:
    """Returns the wordings of a kind of question, of which a file may have one or several.

    Args:
        words: The words.
        kind: The kind.
    """
    found = words.questions[kind]
    return (found,) if isinstance(found, str) else tuple(found)
