"""The same answers from a pool of Ray Data actors."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo import config, storage
from palo.checkpoint.finished import read_stage
from palo.errors import ResourceError
from palo.evaluate.answering import (
    AnswerSettings,
    Generation,
    chunks_by_image,
    generate_here,
    load_for_answers,
)
from palo.evaluate.questions import Question
from palo.ray_errors import own_errors
from palo.session import worker_share

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from palo.checkpoint.load import TrainedModel

_COLUMNS = tuple(field.name for field in fields(Question))
_ANSWER_COLUMNS = ("variant", "position", "answer", "finish")
_CHUNKS_A_WORKER = 8
_SHOW_EVERY_S = 0.5
_LOG_EVERY_S = 15.0
_MAX_TRIES = 3


def answer_questions(
    stage: Path,
    questions: Sequence[Question],
    variants: Mapping[str, AnswerSettings],
    *,
    num_workers: int = 1,
    on_answer: Callable[[str, int, Generation], None] = lambda variant, position, given: None,
) -> dict[str, list[str]]:
    """Answers questions with several copies of a finished stage's model, and shows the progress.

    Each worker has one GPU where the cluster has enough of them, else one CPU and one thread.

    Args:
        stage: Folder of the finished stage, which every worker must see.
        questions: At least one; every worker must see their images.
        variants: How they are answered, by name: all of them by the same workers, whose start
            costs more than many answers.
        num_workers: Copies of the model. Ray must be running.
        on_answer: Takes each answer as it comes: variant, position of the question, the answer.

    Returns:
        For each variant the answers, in the order of the questions.

    Raises:
        ConfigError: If a setting is wrong.
        DataError: If the folder holds no finished stage, or a question is too long.
        ImageError: If an image can't be used.
        ResourceError: If the cluster has fewer CPUs than workers, or workers were lost.
    """
    from ray.data import from_arrow
    from ray.exceptions import RayError
    from tqdm import tqdm

    for settings in variants.values():
        config.check(settings)
    read_stage(stage)  # a wrong folder is told before anything starts
    resources = worker_share(num_workers, "answer")
    answers = {name: [""] * len(questions) for name in variants}
    blocks = list(_blocks(questions, variants, num_workers))
    every_s = _SHOW_EVERY_S if sys.stderr.isatty() else _LOG_EVERY_S
    total = len(variants) * len(questions)
    try:
        with own_errors(), tqdm(total=total, desc="answers", mininterval=every_s) as bar:
            for batch in _map(from_arrow(blocks), stage, variants, num_workers, resources):
                for name, position, *given in _rows(batch, _ANSWER_COLUMNS):
                    answers[name][position] = given[0]
                    on_answer(name, position, Generation(*given))
                bar.update(len(batch["answer"]))
    except RayError as error:
        raise ResourceError(
            "the workers that answer were lost",
            seen=str(error).strip().splitlines()[-1],
            fix="Ask for fewer workers or smaller batches, if memory ran out.",
        ) from error
    return answers


def _map(
    dataset: Any,  # noqa: ANN401 - Ray ships no types
    stage: Path,
    variants: Mapping[str, AnswerSettings],
    num_workers: int,
    resources: Mapping[str, float],
) -> Iterator[Mapping[str, Any]]:
    from ray.data import ActorPoolStrategy
    from ray.util.annotations import RayDeprecationWarning

    settings = {name: config.to_dict(variant) for name, variant in variants.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RayDeprecationWarning)
        mapped = dataset.map_batches(
            _Answerer,
            fn_constructor_args=(str(stage.resolve()), settings),
            batch_size=None,
            compute=ActorPoolStrategy(size=min(num_workers, dataset.num_blocks())),
            # Ray Data tries again without end if a worker dies each time, as for want of memory.
            # What Ray deprecates here has no successor yet.
            ray_remote_args_fn=lambda: {"max_task_retries": _MAX_TRIES},
            **resources,
        )
    batches: Iterator[Mapping[str, Any]] = mapped.iter_batches(
        batch_size=None, batch_format="numpy"
    )
    return batches


class _Answerer:
    """One worker's model."""

    def __init__(self, stage: str, settings: Mapping[str, Mapping[str, Any]]) -> None:
        self._stage = Path(stage)
        self._variants = {
            name: config.from_dict(AnswerSettings, values) for name, values in settings.items()
        }

    def __call__(self, batch: "dict[str, npt.NDArray[Any]]") -> dict[str, Any]:
        questions = [_question(row) for row in _rows(batch, _COLUMNS)]
        (name,) = set(batch["variant"].tolist())
        given = generate_here(self._trained, questions, self._variants[name])
        return {
            "variant": batch["variant"],
            "position": batch["position"],
            "answer": [one.text for one in given],
            "finish": [one.finish for one in given],
        }

    # Not in __init__, whose errors reach nobody but as text.
    @cached_property
    def _trained(self) -> "TrainedModel":
        import torch

        # More threads than cores make each of them several times slower.
        torch.set_num_threads(1)
        return load_for_answers(self._stage)


def _rows(batch: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(batch[name].tolist() for name in names), strict=True)


def _question(row: tuple[str, ...]) -> Question:
    values: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    return Question(**{**values, "image": storage.path_of(values["image"])})


def _blocks(
    questions: Sequence[Question], variants: Mapping[str, AnswerSettings], num_workers: int
) -> "Iterator[pa.Table]":
    """Makes one block of each chunk, so that no two workers encode the same image."""
    import pyarrow as pa

    share = -(-len(questions) // (num_workers * _CHUNKS_A_WORKER))
    for name, settings in variants.items():
        for chunk in chunks_by_image(questions, max(share, settings.batch_size)):
            columns: dict[str, list[Any]] = {
                column: [str(getattr(questions[i], column)) for i in chunk] for column in _COLUMNS
            }
            yield pa.table(columns | {"position": chunk, "variant": [name] * len(chunk)})
