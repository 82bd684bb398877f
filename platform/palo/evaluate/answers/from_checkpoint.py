"""Answers of a finished stage's model, as a Ray Data job."""

from dataclasses import dataclass, field
from pathlib import Path

from palo import config, storage
from palo.checkpoint.finished import read_stage
from palo.evaluate.answer_job import answer_questions
from palo.evaluate.answering import AnswerSettings, Generation
from palo.evaluate.answers.answered import AnswerBook, Answered
from palo.evaluate.answers.model_id import Answerer
from palo.evaluate.benches.bench import Bench
from palo.evaluate.benches.item import BenchItem
from palo.evaluate.questions import Question

_MAX_NEW_TOKENS = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointAnswers:
    """How a checkpoint answers; always greedily.

    Attributes:
        stage: Folder of the finished stage.
        decoding: Most tokens of an answer, and how many are answered at once.
        num_workers: Copies of the model.
    """

    stage: Path
    decoding: AnswerSettings = field(
        default_factory=lambda: AnswerSettings(max_new_tokens=_MAX_NEW_TOKENS)
    )
    num_workers: int = 1


def answer_from_checkpoint(
    bench: Bench, name: str, settings: CheckpointAnswers, kept: Path
) -> Answered:
    """Answers all questions that have no answer yet, all languages at once. Ray must be running.

    Args:
        bench: The questions.
        name: What reports call the model.
        settings: The model.
        kept: File of the model's answers.

    Raises:
        ConfigError: If a setting is wrong.
        DataError: If the folder holds no finished stage, or a question is too long.
        ImageError: If images are missing or can't be used.
        ResourceError: If the cluster has fewer CPUs than workers, or workers were lost.
    """
    config.check(settings)
    identity = [_weights_hash(settings.stage), settings.decoding.max_new_tokens]
    with AnswerBook(bench, Answerer(name=name, identity=identity), kept) as book:
        asked = list(book.open)
        questions = [as_question(item) for item in asked]
        if questions:
            answer_questions(
                settings.stage,
                questions,
                {name: settings.decoding},
                num_workers=settings.num_workers,
                on_answer=lambda _, position, given: _keep(book, asked[position], given),
            )
        return book.answered()


def as_question(item: BenchItem) -> Question:
    """Returns a bench's question as the job that answers takes it."""
    return Question(
        id=item.key,
        image=item.image,
        language=item.language,
        kind=item.category,
        question=item.question,
        answer=item.references[0],
    )


def _keep(book: AnswerBook, item: BenchItem, given: Generation) -> None:
    book.add(item, given.text, given.finish_reason)


def _weights_hash(stage: Path) -> list[str]:
    """Returns the hashes of all that a finished stage consists of."""
    read_stage(stage)
    names = sorted(storage.file_sizes(stage))
    return [f"{name} {storage.file_hash(stage / name)}" for name in names]
