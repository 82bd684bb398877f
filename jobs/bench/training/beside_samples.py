"""The samples of each optimizer step, in the order that other trainers would make."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from training import conversations
from training.beside_settings import BesideBench, Order
from transformers.trainer_pt_utils import get_length_grouped_indices

from palo.recipes.nano import BASE
from palo.text.encoding import IMAGE_SENTINEL, EncodingLimits, encode_conversation
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

TEMPLATE = "vicuna_v1"


@dataclass(frozen=True, slots=True)
class Sample:
    """An encoded sample.

    Attributes:
        ids: Token ids, with one sentinel for its image.
        spans: Where the trained ids begin and end.
        num_text: Text tokens.
    """

    ids: list[int]
    spans: list[tuple[int, int]]
    num_text: int

    @property
    def has_image(self) -> bool:
        """Whether it has an image."""
        return IMAGE_SENTINEL in self.ids


def tokenizer_folder(data: Path | None) -> Path:
    """Returns the folder of the tokenizer that samples are encoded with.

    Args:
        data: The optional data folder.
    """
    return data / "tokenizer" / "llama2-32k" if data else BASE / "tokenizer"


def drawn_steps(
    settings: BesideBench, data: Path | None, order: Order, tokens_per_image: int, seed: int
) -> list[Sample]:
    """Returns the samples of a run's steps, one step after the other.

    All conversations are put into the order, and the steps are drawn from it. The longest is the
    first, which doesn't count: no later one needs memory that no step had before.

    Args:
        settings: The bench's.
        data: The optional data folder; drawn scenes take its place.
        order: How steps are made.
        tokens_per_image: Tokens of an image.
        seed: Seed of the conversations, of the order, and of the choice of steps.
    """
    samples = _samples(settings, data, seed)
    lengths = [sample.num_text + tokens_per_image * sample.has_image for sample in samples]
    size = settings.samples_per_step
    if order == "length":
        # As the Trainer's sampler does: groups are so many times a worker's share of a step.
        generator = torch.Generator().manual_seed(seed)
        share = size // settings.workers
        indices: list[int] = get_length_grouped_indices(lengths, share, generator=generator)
    else:
        images = [sample.has_image for sample in samples]
        indices = modality_grouped(lengths, images, settings.workers, size, seed)
    starts = range(0, len(indices) - size + 1, size)
    steps = [indices[start : start + size] for start in starts]
    chosen = random.Random(seed).sample(steps, settings.num_steps)  # noqa: S311 - a bench
    longest = max(chosen, key=lambda step: sum(lengths[index] for index in step))
    chosen.sort(key=lambda step: step is not longest)
    return [samples[index] for step in chosen for index in step]


def modality_grouped(
    lengths: Sequence[int], images: Sequence[bool], workers: int, step_size: int, seed: int
) -> list[int]:
    """Orders samples as LLaVA's trainer does with `group_by_modality_length`.

    A step has samples with images or samples without. They are random ones of their kind; the
    longest first, each goes to the worker that has the fewest tokens and still has room.

    Args:
        lengths: Tokens of each sample.
        images: Whether each sample has an image.
        workers: Number of workers.
        step_size: Samples of a step.
        seed: Seed of the order.

    Returns:
        Numbers of the samples, step by step, in each of them worker by worker.
    """
    generator = random.Random(seed)  # noqa: S311 - order of a bench
    steps: list[list[int]] = []
    left: list[int] = []
    for kind in (True, False):
        members = [index for index, has in enumerate(images) if has is kind]
        generator.shuffle(members)
        whole = len(members) // step_size * step_size
        steps += [members[start : start + step_size] for start in range(0, whole, step_size)]
        left += members[whole:]
    generator.shuffle(steps)
    steps += [left[start : start + step_size] for start in range(0, len(left), step_size)]
    return [index for step in steps for index in _dealt(step, lengths, workers)]


def _dealt(step: list[int], lengths: Sequence[int], workers: int) -> list[int]:
    shares: list[list[int]] = [[] for _ in range(workers)]
    tokens = [0] * workers
    room = -(-len(step) // workers)
    for index in sorted(step, key=lambda number: -lengths[number]):
        least = min(
            (rank for rank in range(workers) if len(shares[rank]) < room),
            key=lambda rank: tokens[rank],
        )
        shares[least].append(index)
        tokens[least] += lengths[index]
    return [index for share in shares for index in share]


def _samples(settings: BesideBench, data: Path | None, seed: int) -> list[Sample]:
    count = settings.conversations
    talks = conversations.news(data, count, seed) if data else conversations.scenes(count, seed)
    tokenizer = load_tokenizer(tokenizer_folder(data))
    limits = EncodingLimits(max_text_tokens=settings.max_text_tokens)
    return [
        Sample(each.input_ids.tolist(), list(each.label_spans), each.num_text_tokens)
        for talk in talks
        for each in encode_conversation(talk, TEMPLATES[TEMPLATE], tokenizer, limits).samples
    ]
