"""Answers of a finished stage's model, from a pool of Ray Data actors."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo import config, storage
from palo.checkpoint.finished import read_stage
from palo.errors import ResourceError
from palo.evaluate.answers.answer_cache import AnswerCache, AnswerSet, AnswerSource
from palo.evaluate.benches.bench import Bench, BenchItem
from palo.evaluate.generation import (
    AnswerSettings,
    Generation,
    chunks_by_image,
    generate,
    load_for_answers,
)
from palo.ray_errors import own_errors
from palo.session import worker_share
from palo.sharing import check_here

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from palo.checkpoint.load import TrainedModel

_ANSWER_COLUMNS = ("variant", "position", "answer", "finish")
_CHUNKS_A_WORKER = 8
_SHOW_EVERY_S = 0.5
_LOG_EVERY_S = 15.0
_MAX_TRIES = 3

OnAnswer = Callable[[str, int, Generation], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointAnswers:
    """Settings of a checkpoint's answers.

    Attributes:
        stage: Folder of the finished stage.
        variants: Decoding settings by name; each name is a model in the report.
        num_workers: Copies of the model.
    """

    stage: Path
    variants: Mapping[str, AnswerSettings]
    num_workers: int = 1

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for settings in self.variants.values():
            yield from settings.faults()


def answer_from_checkpoint(
    bench: Bench, settings: CheckpointAnswers, folder: Path
) -> dict[str, AnswerSet]:
    """Answers the open questions of a bench with all variants in one job. Ray must be running.

    Args:
        bench: The questions.
        settings: The model.
        folder: Folder of the cached answers, one file NAME.jsonl for each variant.

    Returns:
        All answers, those of earlier runs included, by variant.

    Raises:
        ConfigError: If a setting is wrong.
        DataError: If the folder holds no finished stage, or a question is too long.
        ImageError: If images are missing or can't be used.
        ResourceError: If the cluster has fewer CPUs than workers, or workers were lost.
    """
    config.check(settings)
    hashes = weight_hashes(settings.stage)
    with ExitStack() as stack:
        caches = {
            name: stack.enter_context(
                AnswerCache(
                    bench,
                    AnswerSource(name=name, identity=[hashes, *_decoding_identity(variant)]),
                    folder / f"{name}.jsonl",
                )
            )
            for name, variant in settings.variants.items()
        }
        open_items = {name: list(cache.open) for name, cache in caches.items()}

        def save(name: str, position: int, generation: Generation) -> None:
            item = open_items[name][position]
            caches[name].add(item, generation.text, generation.finish_reason)

        if any(open_items.values()):
            generate_with_workers(
                settings.stage,
                open_items,
                settings.variants,
                num_workers=settings.num_workers,
                on_answer=save,
            )
        return {name: cache.answer_set() for name, cache in caches.items()}


def _decoding_identity(settings: AnswerSettings) -> list[object]:
    return [settings.max_new_tokens, *(["no image"] if settings.withhold_image else [])]


def weight_hashes(stage: Path) -> list[str]:
    """Returns the name and hash of each file of a finished stage.

    Args:
        stage: Folder of the finished stage.

    Raises:
        DataError: If the folder holds no finished stage.
    """
    read_stage(stage)
    names = sorted(storage.file_sizes(stage))
    return [f"{name} {storage.file_hash(stage / name)}" for name in names]


def generate_with_workers(
    stage: Path,
    items: Mapping[str, Sequence[BenchItem]],
    variants: Mapping[str, AnswerSettings],
    *,
    num_workers: int = 1,
    on_answer: OnAnswer,
) -> None:
    """Answers questions with several copies of a finished stage's model, and shows the progress.

    Each worker has one GPU where the cluster has enough of them, else one CPU and one thread. The
    same workers answer all variants: their start costs more than many answers.

    Args:
        stage: Folder of the finished stage, which every worker must see.
        items: Questions by variant; every worker must see their images.
        variants: How they are answered, by name.
        num_workers: Copies of the model. Ray must be running.
        on_answer: Receives each answer as it comes: variant, position of the question, answer.

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
    read_stage(stage)  # a wrong folder is reported before anything starts
    resources = worker_share(num_workers, "answer")
    blocks = list(_blocks(items, variants, num_workers))
    every_s = _SHOW_EVERY_S if sys.stderr.isatty() else _LOG_EVERY_S
    total = sum(map(len, items.values()))
    try:
        with own_errors(), tqdm(total=total, desc="answers", mininterval=every_s) as bar:
            for batch in _map(from_arrow(blocks), stage, variants, num_workers, resources):
                for name, position, *generation in _rows(batch, _ANSWER_COLUMNS):
                    on_answer(name, position, Generation(*generation))
                bar.update(len(batch["answer"]))
    except RayError as error:
        raise ResourceError(
            "the workers that answer were lost",
            seen=str(error).strip().splitlines()[-1],
            fix="Ask for fewer workers or smaller batches, if memory ran out.",
        ) from error


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
            _AnswerWorker,
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


class _AnswerWorker:
    """One worker's model."""

    def __init__(self, stage: str, settings: Mapping[str, Mapping[str, Any]]) -> None:
        self._stage = storage.path_of(stage)
        self._variants = {
            name: config.from_dict(AnswerSettings, values) for name, values in settings.items()
        }

    def __call__(self, batch: "dict[str, npt.NDArray[Any]]") -> dict[str, Any]:
        items = [
            BenchItem(
                question_id=str(position),
                language=language,
                image=storage.path_of(image),
                category="",
                question=question,
                references=(),
            )
            for position, language, image, question in _rows(
                batch, ("position", "language", "image", "question")
            )
        ]
        (name,) = set(batch["variant"].tolist())
        generations = generate(self._trained, items, self._variants[name])
        return {
            "variant": batch["variant"],
            "position": batch["position"],
            "answer": [one.text for one in generations],
            "finish": [one.finish for one in generations],
        }

    # Not in __init__, whose errors Ray turns into text.
    @cached_property
    def _trained(self) -> "TrainedModel":
        check_here()
        import torch

        # More threads than cores make each of them several times slower.
        torch.set_num_threads(1)
        return load_for_answers(self._stage)


def _rows(batch: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(batch[name].tolist() for name in names), strict=True)


def _blocks(
    items: Mapping[str, Sequence[BenchItem]],
    variants: Mapping[str, AnswerSettings],
    num_workers: int,
) -> "Iterator[pa.Table]":
    """Makes one block of each chunk, so that no two workers encode the same image."""
    import pyarrow as pa

    for name, settings in variants.items():
        own = items[name]
        share = -(-len(own) // (num_workers * _CHUNKS_A_WORKER))
        for chunk in chunks_by_image(own, max(share, settings.batch_size)):
            yield pa.table(
                {
                    "variant": [name] * len(chunk),
                    "position": chunk,
                    "language": [own[i].language for i in chunk],
                    "image": [str(own[i].image) for i in chunk],
                    "question": [own[i].question for i in chunk],
                }
            )
