"""Answers that are kept as they come, so that a run that was stopped goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palo.endpoint.replies import FinishReason
from palo.evaluate.answers.answer import ModelAnswer
from palo.evaluate.answers.model_id import Answerer, answer_keys
from palo.evaluate.benches.bench import Bench, check_images
from palo.evaluate.benches.item import BenchItem
from palo.evaluate.result_cache import ResultCache


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """Answers of one model to a bench.

    Attributes:
        name: What reports call the model.
        answers: By the questions' keys.
        unanswered: Why the others have none, by key.
        num_known: Answers that an earlier run had.
        num_asked: Questions that this run asked.
    """

    name: str
    answers: Mapping[str, ModelAnswer]
    unanswered: Mapping[str, str]
    num_known: int
    num_asked: int


class AnswerBook:
    """What a model has answered, and what is still open. Use it as a context.

    Args:
        bench: The questions; their images must be there.
        answerer: Who answers.
        kept: File of its answers.

    Raises:
        DataError: If the file was damaged.
        ImageError: If images are missing.
    """

    def __init__(self, bench: Bench, answerer: Answerer, kept: Path) -> None:
        check_images(bench)
        self._name = answerer.name
        self._items = bench.items
        self._keys = answer_keys(bench.items, answerer)
        self._results = ResultCache(kept)
        self.open: Sequence[BenchItem] = [
            item for item in bench.items if self._keys[item.key] not in self._results.known
        ]
        self._unanswered: dict[str, str] = {}

    def __enter__(self) -> "AnswerBook":
        self._results.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._results.__exit__(*error)

    def add(self, item: BenchItem, text: str, finish_reason: FinishReason = "unknown") -> None:
        """Keeps an answer."""
        values = {"question": item.key, "answer": text, "finish_reason": finish_reason}
        self._results.add(self._keys[item.key], values)

    def fail(self, item: BenchItem, reason: str) -> None:
        """Notes why there is no answer; the next run asks again."""
        self._unanswered[item.key] = reason

    def answered(self) -> Answered:
        """Returns all answers, those of earlier runs too."""
        answers = {}
        for item in self._items:
            values = self._results.known.get(self._keys[item.key])
            if values is not None:
                answers[item.key] = ModelAnswer(
                    key=item.key, text=values["answer"], finish_reason=values["finish_reason"]
                )
        return Answered(
            name=self._name,
            answers=answers,
            unanswered=self._unanswered,
            num_known=len(self._items) - len(self.open),
            num_asked=len(self.open),
        )
