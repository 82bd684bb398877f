"""The phrase book of a language: words a scene's facts as correct sentences."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from palo import languages
from palo.errors import DataError
from palo.language_files import added_folder, language_entries
from palo.scenes.questions import KINDS, Kind, SceneFacts, thing_at
from palo.scenes.scene import Scene
from palo.scenes.word_book import read_scene_words, wordings


@dataclass(frozen=True, kw_only=True, slots=True)
class PhraseBook:
    """How one language speaks of scenes.

    Sentences are templates without the mark at their end, which the language registry gives; a slot
    holds a phrase that is already inflected. The first letter is capitalised where the script can.

    Attributes:
        language: ISO code.
        slots: Gives the inflected phrases for the facts of one question.
        questions: Several wordings for each kind of question.
        answers: The one answer for each kind, so that exact match is a fair measure.
        request: Asks for a description of the image, without the mark at its end.
        joiner: What stands between two sentences.
    """

    language: str
    slots: Callable[[SceneFacts], Mapping[str, str]]
    questions: Mapping[Kind, tuple[str, ...]]
    answers: Mapping[Kind, str]
    request: str
    joiner: str = " "

    def ask(self, facts: SceneFacts, wording: int = 0) -> str:
        """Returns the question.

        Args:
            facts: The facts that it asks for.
            wording: Picks one of its wordings, modulo their number.
        """
        wordings = self.questions[facts.kind]
        text = wordings[wording % len(wordings)].format_map(self.slots(facts))
        return capitalised(text) + languages.get(self.language).question_mark

    def answer(self, facts: SceneFacts) -> str:
        """Returns the full sentence that answers the question.

        Args:
            facts: The facts of the question.
        """
        text = self.answers[facts.kind].format_map(self.slots(facts))
        return capitalised(text) + languages.get(self.language).full_stop

    def ask_description(self) -> str:
        """Returns the request to describe the image."""
        return capitalised(self.request) + languages.get(self.language).full_stop

    def caption(self, scene: Scene) -> str:
        """Returns one sentence for each thing of the scene, in reading order.

        Args:
            scene: The scene.
        """
        return self.joiner.join(self.answer(thing_at(thing)) for thing in scene.things)


_registered: dict[str, PhraseBook] = {}


def phrase_book(code: str) -> PhraseBook:
    """Returns the phrase book of a language.

    Args:
        code: ISO code that the language registry knows.

    Raises:
        ConfigError: If the registry has no such language.
        DataError: If the language has no phrase book.
    """
    languages.get(code)
    if code not in _registered and (own := _own_book(code)):
        return own
    if code not in _registered:
        module = f"{__package__}.phrases.{code}"
        try:
            _registered[code] = importlib.import_module(module).BOOK
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise DataError(
                "no phrase book for this language, so no scenes can be written in it",
                seen=code,
                fix="Fill in its scenes.toml (jobs/add_language.py), or register a PhraseBook.",
            ) from None
    return _registered[code]


def spoken_codes() -> tuple[str, ...]:
    """Returns the codes of the languages that have a phrase book."""
    return tuple(code for code in languages.codes() if _has_book(code))


def silent_codes() -> tuple[str, ...]:
    """Returns the codes of the languages that have none yet."""
    return tuple(code for code in languages.codes() if not _has_book(code))


def _has_book(code: str) -> bool:
    return code in _registered or code in languages.BUILT_IN or _own_book(code) is not None


def _own_book(code: str) -> PhraseBook | None:
    """Returns the phrase book of an added language; None while words are missing in its file."""
    return None if code in languages.BUILT_IN else _book_of(added_folder(), code)


@lru_cache(maxsize=64)
def _book_of(folder: Path | None, code: str) -> PhraseBook | None:
    words = read_scene_words(language_entries(code, "scenes"), f"{folder}/{code}/scenes.toml")
    if words is None:
        return None
    return PhraseBook(
        language=code,
        slots=words.slots,
        questions={kind: wordings(words, kind) for kind in KINDS},
        answers={kind: words.answers[kind] for kind in KINDS},
        request=words.request,
        joiner=words.joiner,
    )


def register_phrase_book(book: PhraseBook) -> None:
    """Adds or replaces the phrase book of one language in this process.

    Args:
        book: The phrase book.
    """
    _registered[book.language] = book


def capitalised(text: str) -> str:
    """Returns a text whose first letter is a capital, where its script has any.

    Args:
        text: A text with a letter.
    """
    start = next(i for i, letter in enumerate(text) if letter.isalpha())
    return text[:start] + text[start].upper() + text[start + 1 :]
