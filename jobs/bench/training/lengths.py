"""Useful tokens per computed token: packs of our plan against padded batches of 16."""

import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from training import conversations
from training.settings import TrainBench

from palo.benchmark import Figure, spread
from palo.data.plan import Plan, PlanConfig
from palo.recipes.mini import mini
from palo.recipes.nano import BASE
from palo.recipes.paper import palo_7b
from palo.text.encoding import EncodingLimits, encode_conversation
from palo.text.messages import Conversation
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer, load_tokenizer
from palo.train.stages import StageConfig

_IMAGE_TOKENS = 576
_CONTEXT = 2048
_PADDED_BATCH = 16
_GOAL = "packs_useful_share"
_TARGET = 0.97

Lengths = Sequence[int]
Batches = list[list[int]]


def measure_lengths(settings: TrainBench, root: Path) -> list[Figure]:
    """Computes the useful share of packs and of padded batches, for each of several seeds.

    Without the optional data folder it measures drawn scenes, under other names: their lengths
    hardly differ, so they say little.
    """
    data = conversations.data_folder(root)
    if data is None:
        sys.stdout.write("no optional data folder (PALO_DATA): lengths are those of scenes\n")
    tokenizer = load_tokenizer(data / "tokenizer" / "llama2-32k" if data else BASE / "tokenizer")
    shares: dict[str, list[float]] = {}
    for seed in range(settings.seed, settings.seed + settings.length_seeds):
        count = settings.conversations
        talks = conversations.news(data, count, seed) if data else conversations.scenes(count, seed)
        for name, share in _shares(*_lengths(talks, tokenizer), seed).items():
            shares.setdefault(name if data else f"{name}_of_scenes", []).append(share)
    return [_figure(name, values) for name, values in shares.items()]


def _figure(name: str, values: list[float]) -> Figure:
    if name == _GOAL:
        return spread(name, values, "1", target=_TARGET, better="higher")
    return spread(name, values, "1")


def _lengths(
    talks: Iterable[Conversation], tokenizer: TextTokenizer
) -> tuple[list[int], list[bool]]:
    """Returns text tokens of every sample, and whether it has an image."""
    limits = EncodingLimits(max_text_tokens=_CONTEXT - _IMAGE_TOKENS)
    texts, images = [], []
    for talk in talks:
        encoding = encode_conversation(talk, TEMPLATES["vicuna_v1"], tokenizer, limits)
        texts += [sample.num_text_tokens for sample in encoding.samples]
        images += [len(s.input_ids) > s.num_text_tokens for s in encoding.samples]
    return texts, images


def _shares(texts: list[int], images: list[bool], seed: int) -> dict[str, float]:
    """Returns every measured share of one seed.

    "busy" also counts the time that workers wait for the slowest of them, in tokens: eight workers
    run their rows, or padded batches, in lockstep.
    """
    full = [text + _IMAGE_TOKENS * image for text, image in zip(texts, images, strict=True)]
    paper, small = palo_7b().finetune, mini().finetune
    order = list(range(len(full)))
    random.Random(seed).shuffle(order)  # noqa: S311 - order of a bench
    world_size = paper.workers.count
    random_order, grouped = _cut(order), _cut(_grouped(full, seed))
    packs = _Packed(texts, images, paper, seed)
    return {
        "packs_useful_share": packs.useful,
        "packs_busy_share": packs.busy,
        "packs_of_small_steps_useful_share": _Packed(texts, images, small, seed).useful,
        "padded_random_useful_share": _padded(random_order, full, 1),
        "padded_random_busy_share": _padded(random_order, full, world_size),
        "padded_grouped_useful_share": _padded(grouped, full, 1),
        "padded_grouped_busy_share": _padded(grouped, full, world_size),
    }


def _grouped(full: Lengths, seed: int) -> list[int]:
    """Orders samples as transformers' Trainer does with `group_by_length`."""
    from transformers.trainer_pt_utils import get_length_grouped_indices

    generator = torch.Generator().manual_seed(seed)
    order: list[int] = get_length_grouped_indices(list(full), _PADDED_BATCH, generator=generator)
    return order


def _cut(order: list[int]) -> Batches:
    return [order[i : i + _PADDED_BATCH] for i in range(0, len(order), _PADDED_BATCH)]


def _padded(batches: Batches, full: Lengths, world_size: int) -> float:
    """Returns tokens over computed tokens, if workers wait for the largest of their batches."""
    sizes = [len(batch) * max(full[i] for i in batch) for batch in batches]
    rounds = [sizes[i : i + world_size] for i in range(0, len(sizes), world_size)]
    return sum(full) / sum(max(sizes) * len(sizes) for sizes in rounds)


class _Packed:
    """Shares of one epoch of a plan, every step and every pack of it.

    Attributes:
        useful: Tokens of samples over computed tokens, those of dummy packs included.
        busy: The same, if workers wait for the longest pack of each micro-batch.
    """

    def __init__(self, texts: list[int], images: list[bool], stage: StageConfig, seed: int) -> None:
        config = PlanConfig(
            global_batch=stage.global_batch,
            token_budget=stage.token_budget,
            tokens_per_image=_IMAGE_TOKENS,
            seed=seed,
        )
        plan = Plan(config, "bench", np.asarray(texts, np.int32), np.asarray(images))
        useful = computed = occupied = 0
        for step in range(plan.num_steps):
            for micro in zip(*plan.packs(step, stage.workers.count), strict=True):
                sizes = [sum(map(plan.length, pack.indices)) for pack in micro]
                computed += sum(sizes)
                occupied += max(sizes) * len(sizes)
                useful += sum(
                    size for size, pack in zip(sizes, micro, strict=True) if not pack.dummy
                )
        self.useful = useful / computed
        self.busy = useful / occupied
