"""The input of quality checks: a translation with its source, and the limits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from palo import languages
from palo.text import scripts
from palo.translate.language_profiles.profile import LanguageProfile, language_profile
from palo.translate.protected_spans.protect import VISIBLE_KINDS, without_placeholders
from palo.translate.request import ProtectedText, TranslationRequest
from palo.translate.translated import CheckResult, Decision

if TYPE_CHECKING:
    from palo.text.language_of import LanguageFinder

_SPACELESS = ("Hans", "Hant", "Hani", "Jpan", "Thai", "Laoo", "Khmr", "Mymr")


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckLimits:
    """The limits of the checks.

    Attributes:
        length_spreads: Most standard deviations from the expected length.
        shortest: Fewest characters of a source whose length is checked.
        foreign_letters: Most letters of scripts that belong to neither language.
        untranslated_words: Most lower-case words of the source in a row.
        unknown_words: Most lower-case words of the source that the language can't have.
        round_trip: Least chrF, from 0 to 100, of the translation back against the source.
        agreement: Least chrF of a second translation against this one.
        conversions: Whether a length, weight or speed may be given in other units, if it is right.
    """

    length_spreads: float = 4.0
    shortest: int = 8
    foreign_letters: int = 1
    untranslated_words: int = 2
    unknown_words: int = 0
    round_trip: float = 30.0
    agreement: float = 25.0
    conversions: bool = True

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.length_spreads <= 0:
            yield f"length_spreads is {self.length_spreads} but must be above 0"
        for name in ("shortest", "foreign_letters", "untranslated_words", "unknown_words"):
            if getattr(self, name) < 0:
                yield f"{name} is {getattr(self, name)} but must not be negative"
        for name in ("round_trip", "agreement"):
            if not 0 <= getattr(self, name) <= 100:
                yield f"{name} is {getattr(self, name)} but must be from 0 to 100"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Second opinions about a translation.

    Attributes:
        round_trip: Its turns translated back into the source's language; None without.
        second: The turns of another backend's translation; None without.
    """

    round_trip: tuple[str, ...] | None = None
    second: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One turn with its translation.

    Attributes:
        number: Number of the turn.
        protected: The source with placeholders.
        source: The source's text, spaces in the place of placeholders.
        text: The translation.
        words: The translation without its protected spans.
        draft: The same before clean-up, which writes letters and marks as the language does.
    """

    number: int
    protected: ProtectedText
    source: str
    text: str
    words: str
    draft: str


@dataclass(frozen=True, kw_only=True)
class CheckCase:
    """A translation to check.

    Attributes:
        request: The request that it answers.
        texts: Its turns, placeholders replaced.
        limits: The limits of the checks.
        evidence: The second opinions.
        finder: Identifies languages.
        drafts: Its turns before clean-up; None if they are as they were.
    """

    request: TranslationRequest
    texts: tuple[str, ...]
    limits: CheckLimits
    evidence: Evidence
    finder: "LanguageFinder"
    drafts: tuple[str, ...] | None = None

    @property
    def language(self) -> languages.Language:
        """The target language."""
        return languages.get(self.request.language)

    @property
    def source_language(self) -> str:
        """ISO 639-1 code of the source."""
        return self.request.source.language

    @property
    def profile(self) -> LanguageProfile:
        """Profile of the target language."""
        return language_profile(self.request.language)

    @property
    def source_profile(self) -> LanguageProfile:
        """Profile of the source's language."""
        return language_profile(self.source_language)

    @property
    def scripts(self) -> tuple[str, ...]:
        """Scripts of the language's letters, as `letters_by_script` names them."""
        return scripts_of(self.language.code)

    @property
    def is_spaceless(self) -> bool:
        """Whether the language puts no spaces between words."""
        return self.language.script in _SPACELESS

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """Every turn with its translation."""
        triples = zip(self.request.turns, self.texts, self.drafts or self.texts, strict=True)
        return tuple(_side(number, *triple) for number, triple in enumerate(triples))


def fault(check: str, side: Side, reason: str, doubt: float) -> CheckResult:
    """Returns the result of a check that refuses a turn.

    Args:
        check: Name of the check.
        side: The turn.
        reason: What is wrong, in a plain English sentence.
        doubt: From 0, surely right, to 1, surely wrong.
    """
    return CheckResult(
        check=check, decision=Decision.RETRY, reason=reason, turn=side.number, doubt=doubt
    )


Check = Callable[[CheckCase], Iterator[CheckResult]]
"""A quality check: yields its objections and doubts; nothing for a flawless translation."""


def scripts_of(language: str) -> tuple[str, ...]:
    """Returns the scripts that a language's letters are of, as `letters_by_script` names them.

    Args:
        language: ISO 639-1 code.
    """
    return scripts.scripts_of(languages.get(language).script)


def _side(number: int, protected: ProtectedText, text: str, draft: str) -> Side:
    words = _without_spans(text, protected)
    return Side(
        number=number,
        protected=protected,
        source=without_placeholders(protected.text),
        text=text,
        words=words,
        draft=words if draft == text else _without_spans(draft, protected),
    )


def _without_spans(text: str, protected: ProtectedText) -> str:
    for span in protected.spans:
        if span.kind not in VISIBLE_KINDS:
            text = text.replace(span.target, " ")
    return text
