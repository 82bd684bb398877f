"""Extending a tokenizer by pieces for the scripts of some languages, learned from texts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from palo import languages
from palo.errors import DataError, MismatchError
from palo.languages import Language
from palo.text.json_tokenizer import JsonTokenizer
from palo.text.piece_tokenizer import SentencePieceTokenizer
from palo.text.tokenizer import TextTokenizer, load_tokenizer
from palo.text.vocabulary.json_model import JsonModel
from palo.text.vocabulary.learning import LearnedPiece, Merges, PieceLearner, WordCount
from palo.text.vocabulary.piece_model import PieceModel
from palo.text.vocabulary.runs import ScriptRuns, scripts_of

_WEIGHT = 10**9
_FEWEST_LETTERS = 1000


def _low_resource() -> tuple[str, ...]:
    return tuple(one.code for one in languages.every() if one.resource == "low")


@dataclass(frozen=True, kw_only=True, slots=True)
class VocabularySettings:
    """Which pieces a tokenizer gets.

    Attributes:
        languages: ISO 639-1 codes of the languages, whose scripts get pieces; by default those of
            low resource.
        pieces_per_language: Most new pieces for each of them; languages of one script share theirs.
        least_count: Fewest occurrences of a new piece in the texts.
    """

    languages: tuple[str, ...] = field(default_factory=_low_resource)
    pieces_per_language: int = 2000
    least_count: int = 2

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for code in self.languages:
            if not languages.known(code):
                yield f"languages has {code!r}, not one of {', '.join(languages.codes())}"
        if not self.languages:
            yield "languages must name at least one language"
        if self.pieces_per_language < 1:
            yield f"pieces_per_language is {self.pieces_per_language} but must be at least 1"
        if self.least_count < 1:
            yield f"least_count is {self.least_count} but must be at least 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Extension:
    """What a tokenizer got.

    Attributes:
        first_id: Id of the first new piece; further ones follow.
        old_ids: What each new piece was before, in the order of the new ids.
        scripts: Number of new pieces by script, as ISO 15924 codes.
    """

    first_id: int
    old_ids: tuple[tuple[int, ...], ...]
    scripts: Mapping[str, int]


class _Model(Protocol):
    """A tokenizer's file that takes new pieces."""

    first_id: int

    @property
    def merges(self) -> Merges: ...

    def split(self, run: str) -> tuple[str, ...]: ...

    def may_add(self, piece: str) -> bool: ...

    def add_character(self, character: str) -> LearnedPiece | None: ...

    def old_ids(self, piece: LearnedPiece) -> list[int]: ...

    def write(self, folder: Path, pieces: Sequence[LearnedPiece]) -> None: ...


class TextCounts:
    """Counts in texts what pieces may be made of.

    Args:
        spoken: The languages that get pieces.

    Raises:
        ConfigError: If one is written in Latin letters.
    """

    def __init__(self, spoken: Sequence[Language]) -> None:
        self.scripts = scripts_of(spoken)
        self._languages = {
            script: tuple(one.code for one in spoken if script in scripts_of([one]))
            for script in self.scripts
        }
        signs = "".join(sign for one in spoken for sign in _signs(one))
        self._runs = {script: ScriptRuns(script, signs) for script in self.scripts}
        self._words = {
            script: {code: Counter[str]() for code in codes}
            for script, codes in self._languages.items()
        }
        self._characters: dict[str, set[str]] = {script: set() for script in self.scripts}

    def add(self, language: str, text: str) -> None:
        """Counts a text; one in another language doesn't count.

        Args:
            language: Its ISO 639-1 code.
            text: The text.
        """
        for script, codes in self._languages.items():
            if language in codes:
                runs = self._runs[script]
                self._words[script][language].update(runs.runs(text))
                self._characters[script].update(runs.characters(text))

    def of(self, script: str) -> tuple[list[str], Mapping[str, Counter[str]]]:
        """Returns the characters and by language the runs of letters of a script.

        Args:
            script: Its ISO 15924 code.

        Raises:
            DataError: If a language has too little text.
        """
        for code, counts in self._words[script].items():
            letters = sum(len(run) * count for run, count in counts.items())
            if letters < _FEWEST_LETTERS:
                raise DataError(
                    f"there is too little text in {languages.get(code).name} to learn from",
                    seen=f"{letters:,} letters of its script",
                    fix=f"Give texts with at least {_FEWEST_LETTERS:,}, or leave {code} out.",
                )
        return sorted(self._characters[script]), self._words[script]


def extend_tokenizer(
    tokenizer: TextTokenizer,
    texts: Iterable[tuple[str, str]],
    settings: VocabularySettings,
    output: Path,
) -> Extension:
    """Learns new pieces from texts and writes the tokenizer with them.

    No old id changes. A text without letters and signs of the chosen scripts has its old ids, a
    text with them is shorter.

    Args:
        tokenizer: The tokenizer as it is.
        texts: Language and text, as often as there are texts.
        settings: Which pieces.
        output: Folder to write to.

    Raises:
        ConfigError: If a language is written in Latin letters.
        DataError: If a language has too little text.
        MismatchError: If the tokenizer can't be extended.
        StorageError: If a file can't be read or written.
    """
    counts = TextCounts([languages.get(code) for code in settings.languages])
    model = _model(tokenizer, counts.scripts)
    for language, text in texts:
        counts.add(language, text)
    found = {script: _learned(model, *counts.of(script), settings) for script in counts.scripts}
    pieces = [piece for learned in found.values() for piece in learned]
    model.write(output, pieces)
    extension = Extension(
        first_id=model.first_id,
        old_ids=tuple(tuple(model.old_ids(piece)) for piece in pieces),
        scripts={script: len(learned) for script, learned in found.items()},
    )
    _require_ids(load_tokenizer(output), tokenizer, extension)
    return extension


def _signs(language: Language) -> str:
    return "".join((language.full_stop, language.question_mark, language.digits))


def _model(tokenizer: TextTokenizer, scripts: Sequence[str]) -> _Model:
    if isinstance(tokenizer, SentencePieceTokenizer):
        return PieceModel(tokenizer)
    assert isinstance(tokenizer, JsonTokenizer)
    return JsonModel(tokenizer, scripts)


def _learned(
    model: _Model,
    characters: Sequence[str],
    words: Mapping[str, Counter[str]],
    settings: VocabularySettings,
) -> list[LearnedPiece]:
    """Learns the pieces of one script: first its characters, then what they make together."""
    pieces = [one for sign in characters if (one := model.add_character(sign))]
    most = settings.pieces_per_language * len(words) - len(pieces)
    learner = PieceLearner(
        _weighted(model, words), model.merges, model.may_add, settings.least_count
    )
    return [*pieces, *learner.learn(most)]


def _weighted(model: _Model, seen: Mapping[str, Counter[str]]) -> dict[tuple[str, ...], WordCount]:
    """Splits words as the tokenizer does; all languages weigh the same, however long their text."""
    words: dict[tuple[str, ...], WordCount] = {}
    for counts in seen.values():
        total = sum(len(run) * count for run, count in counts.items())
        for run, count in counts.items():
            parts = model.split(run)
            before = words.get(parts, WordCount(0, 0))
            weight = before.weight + count * _WEIGHT // total
            words[parts] = WordCount(weight, before.count + count)
    return words


def _require_ids(new: TextTokenizer, old: TextTokenizer, extension: Extension) -> None:
    """Proves what the written file must be: old ids mean what they meant, new ones follow."""
    num_new = len(extension.old_ids)
    changed = [
        token_id
        for token_id in range(extension.first_id)
        if new.token_bytes(token_id) != old.token_bytes(token_id)
        or new.is_special(token_id) != old.is_special(token_id)
    ]
    if new.vocab_size != extension.first_id + num_new or changed:
        raise MismatchError(
            "the extended tokenizer doesn't keep the old ids",
            seen=f"{new.vocab_size} ids, {len(changed)} old ones changed",
            fix="Report this with the tokenizer's file.",
        )
