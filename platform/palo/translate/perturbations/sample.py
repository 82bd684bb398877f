"""Correct translations to perturb: conversations made of parallel sentences."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from palo.data.records import Record
from palo.text.messages import Turn
from palo.translate.protected_spans.protect import protect_record
from palo.translate.request import TranslationRequest

_SPANS = ("https://example.org/p/{n}", "`x_{n} = f(y)`", "me{n}@example.org", "photo_{n}.jpg")


@dataclass(frozen=True, kw_only=True, slots=True)
class PerturbationSample:
    """A correct translation.

    Attributes:
        request: The request that it answers.
        texts: Its translation, turn by turn.
        others: The same turns in other languages, by ISO 639-1 code.
        next_texts: Turns of another conversation in the same language.
    """

    request: TranslationRequest
    texts: tuple[str, ...]
    others: Mapping[str, tuple[str, ...]]
    next_texts: tuple[str, ...]

    def replaced(self, number: int, text: str) -> tuple[str, ...]:
        """Returns the translation with another text for one turn.

        Args:
            number: Number of the turn, from 0.
            text: Its new text.
        """
        return (*self.texts[:number], text, *self.texts[number + 1 :])


Perturbation = Callable[[PerturbationSample, Random], tuple[str, ...] | None]
"""Returns a perturbed translation; None where the perturbation isn't possible."""


def plain_samples(
    rows: Sequence[Mapping[str, str]], language: str, source: str = "en"
) -> Iterator[PerturbationSample]:
    """Yields conversations of two turns of one sentence each, no sentence twice.

    Args:
        rows: Sentences by ISO 639-1 code.
        language: ISO 639-1 code of the target language.
        source: ISO 639-1 code of the source language.
    """
    for number in range(0, len(rows) - 1, 2):
        turns = rows[number], rows[number + 1]
        yield one_sample(turns, rows[number - 2], (language, source), number)


def rich_samples(
    rows: Sequence[Mapping[str, str]], language: str, source: str = "en"
) -> Iterator[PerturbationSample]:
    """Yields conversations with answers of two sentences, every other one with a protected span.

    Args:
        rows: Sentences by ISO 639-1 code.
        language: ISO 639-1 code of the target language.
        source: ISO 639-1 code of the source language.
    """
    for number in range(0, len(rows) - 2, 3):
        question, *sentences = rows[number : number + 3]
        parts = [*sentences]
        if number % 2:
            span = _SPANS[number // 2 % len(_SPANS)].format(n=number)
            parts.append(dict.fromkeys(question, span))
        answer = {code: " ".join(part[code] for part in parts) for code in question}
        yield one_sample((question, answer), rows[number - 2], (language, source), number)


def one_sample(
    turns: Sequence[Mapping[str, str]],
    following: Mapping[str, str],
    languages: tuple[str, str],
    number: int,
) -> PerturbationSample:
    """Returns a conversation of some turns.

    Args:
        turns: The turns by ISO 639-1 code, the user's first.
        following: A sentence of another conversation, by ISO 639-1 code.
        languages: ISO 639-1 codes of the target language and of the source.
        number: Number of the conversation.
    """
    language, source = languages
    record = Record(
        record_id=str(number),
        language=source,
        source="parallel",
        licence="",
        image=None,
        turns=tuple(
            Turn("assistant" if place % 2 else "user", turn[source])
            for place, turn in enumerate(turns)
        ),
    )
    codes = set.intersection(*map(set, turns)) - {language, source}
    return PerturbationSample(
        request=protect_record(record, language),
        texts=tuple(turn[language] for turn in turns),
        others={code: tuple(turn[code] for turn in turns) for code in codes},
        next_texts=(following[language],),
    )
