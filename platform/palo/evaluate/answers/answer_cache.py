"""Cached answers of a model: an interrupted run resumes, and nothing is answered twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palo import storage
from palo.endpoint.replies import FinishReason
from palo.endpoint.reply_text import without_thinking
from palo.evaluate.benches.bench import Bench, BenchItem, check_images, content_hash
from palo.evaluate.result_cache import ResultCache


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelAnswer:
    """One answer of one model.

    Attributes:
        key: The question's key within its bench.
        text: The answer, without reasoning before it.
        finish_reason: stop: the model ended it; length: it was cut off; filtered: the server cut it
            off for what it says; unknown.
    """

    key: str
    text: str
    finish_reason: FinishReason = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerSource:
    """A model and the settings that its answers depend on.

    Attributes:
        name: The model's name in reports.
        identity: All that its answers depend on beside the question, as JSON values: the hashes
            of a checkpoint or the name on a server, and the settings of decoding.
    """

    name: str
    identity: Sequence[object]


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerSet:
    """The answers of one model to a bench.

    Attributes:
        name: The model's name in reports.
        answers: By the questions' keys.
        unanswered: The reason of each missing answer, by key.
        examples: What was seen of the first of each reason.
        num_cached: Answers of earlier runs.
        num_asked: Questions that this run asked.
    """

    name: str
    answers: Mapping[str, ModelAnswer]
    unanswered: Mapping[str, str]
    num_cached: int
    num_asked: int
    examples: Mapping[str, str] = field(default_factory=dict)


class AnswerCache:
    """The answers of one model so far, and the open questions, as a context.

    Args:
        bench: The questions; their images must be there.
        source: The model.
        path: File of its answers; made if it is missing.

    Attributes:
        open: The questions that have no answer yet.

    Raises:
        DataError: If the file is damaged.
        ImageError: If images are missing.
    """

    def __init__(self, bench: Bench, source: AnswerSource, path: Path) -> None:
        check_images(bench)
        self._name = source.name
        self._items = bench.items
        self._keys = answer_keys(bench.items, source)
        self._results = ResultCache(path)
        self.open: Sequence[BenchItem] = [
            item for item in bench.items if self._keys[item.key] not in self._results.known
        ]
        self._unanswered: dict[str, str] = {}
        self._examples: dict[str, str] = {}

    @property
    def num_known(self) -> int:
        """Number of answers of earlier runs."""
        return len(self._items) - len(self.open)

    def __enter__(self) -> "AnswerCache":
        self._results.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._results.__exit__(*error)

    def add(self, item: BenchItem, text: str, finish_reason: FinishReason = "unknown") -> None:
        """Saves an answer.

        Args:
            item: The question.
            text: The answer.
            finish_reason: Why it ended.
        """
        values = {"question": item.key, "answer": text, "finish_reason": finish_reason}
        self._results.add(self._keys[item.key], values)

    def fail(self, item: BenchItem, reason: str, detail: str = "") -> None:
        """Records a missing answer; the next run asks again.

        Args:
            item: The question.
            reason: Why it has no answer.
            detail: What was seen.
        """
        self._unanswered[item.key] = reason
        self._examples.setdefault(reason, detail)

    def answer_set(self) -> AnswerSet:
        """Returns all answers, those of earlier runs included."""
        answers = {}
        for item in self._items:
            values = self._results.known.get(self._keys[item.key])
            if values is not None:
                answers[item.key] = ModelAnswer(
                    key=item.key,
                    text=without_thinking(values["answer"]),
                    finish_reason=values["finish_reason"],
                )
        return AnswerSet(
            name=self._name,
            answers=answers,
            unanswered=self._unanswered,
            num_cached=self.num_known,
            num_asked=len(self.open),
            examples=self._examples,
        )


def answer_keys(items: Sequence[BenchItem], source: AnswerSource) -> dict[str, str]:
    """Returns the cache key of each question's answer: a hash of question, image bytes and model.

    Args:
        items: The questions.
        source: The model.

    Returns:
        By the questions' keys, in their order.

    Raises:
        StorageError: If an image can't be read.
    """
    hashes: dict[Path, str] = {}
    for item in items:
        if item.image not in hashes:
            hashes[item.image] = storage.file_hash(item.image)
    return {
        item.key: content_hash(
            [item.question, item.expected_language, hashes[item.image], list(source.identity)]
        )
        for item in items
    }
