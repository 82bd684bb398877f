"""The single judgments that make up one score: each order, each repeat."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from palo.evaluate.answers.answer import ModelAnswer
from palo.evaluate.benches.item import BenchItem, content_hash
from palo.evaluate.judging.scheme import Comparison, messages, response_format, scheme_hash
from palo.evaluate.judging.settings import JudgeSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One question to a judge.

    Attributes:
        key: Names all that its verdict depends on: the words of question, answers and captions,
            the judge and its settings, the scheme's hash. Where the question stands doesn't count.
        reference_first: Whether the reference answer is the first one.
        repeat: Number of the repeat, from 0.
        body: The chat completion's body.
    """

    key: str
    reference_first: bool
    repeat: int
    body: dict[str, Any]


def calls_for(item: BenchItem, answer: ModelAnswer, settings: JudgeSettings) -> Iterator[Call]:
    """Yields every judgment that a question's score is made of."""
    orders = (True, False) if settings.both_orders else (True,)
    for reference_first in orders:
        words = (item.references[0], answer.text)
        first, second = words if reference_first else words[::-1]
        comparison = Comparison(
            question=item.question,
            category=item.category,
            context=item.context,
            first=first,
            second=second,
        )
        for repeat in range(settings.repeats):
            yield _call(comparison, settings, reference_first=reference_first, repeat=repeat)


def _call(
    comparison: Comparison, settings: JudgeSettings, *, reference_first: bool, repeat: int
) -> Call:
    body = {
        "messages": messages(comparison, settings.form),
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
        **response_format(settings.form),
    }
    content = [settings.endpoint.model, scheme_hash(settings.form), body, repeat]
    return Call(
        key=content_hash(content), reference_first=reference_first, repeat=repeat, body=body
    )
