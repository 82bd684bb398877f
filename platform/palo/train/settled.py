"""What a stage's settings leave open, settled on the machines that it has: attention and sharding.

Every worker comes to the same: what differs between machines is shared before it is used.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import distributed

from palo.checkpoint.parts import ModelParts
from palo.machine import GIB
from palo.model import attention
from palo.model.attention_probe import choose, has_windows
from palo.model.sizes import from_folders
from palo.train.planner.data_facts import facts_of
from palo.train.planner.shapes import count_parameters, shapes_of
from palo.train.planner.sharding import choose_sharding
from palo.train.stages import StageConfig

if TYPE_CHECKING:
    from palo.data.corpus_reader import Corpus
    from palo.model.config import PaloConfig

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Types of weights and activations, by their names in settings."""

Notes = list[tuple[str, str]]
"""Kinds of events and lines about them."""


def settle(stage: StageConfig, parts: ModelParts, corpus: "Corpus") -> tuple[StageConfig, Notes]:
    """Settles what a stage leaves open; all workers must call it together.

    Args:
        stage: The stage's settings.
        parts: The pretrained parts, of which only the configurations are read.
        corpus: The stage's corpus.

    Returns:
        The settings with nothing open, and what people should know of the choices.
    """
    if stage.attention != attention.AUTO and stage.zero.stage != "auto":
        return stage, []
    model = from_folders(parts.tower, parts.language_model, parts.projector_type, parts.image_size)
    notes: Notes = []
    if stage.attention == attention.AUTO:
        text, dtype = model.text_config, DTYPES[stage.dtype]
        windowed = has_windows(text)
        name, failed = choose(dtype, device_of(stage), text.head_dim, windowed=windowed)
        stage = replace(stage, attention=name)
        notes += [("attention", failed)] if failed else []
    if stage.zero.stage == "auto":
        stage, reason = _sharded(stage, model, corpus)
        notes += [("sharding", reason)] if reason else []
    return stage, notes


def device_of(stage: StageConfig) -> torch.device:
    """Returns the device of this worker.

    Args:
        stage: The stage's settings.
    """
    return torch.device("cuda" if stage.workers.use_gpu else "cpu")


def _sharded(stage: StageConfig, model: "PaloConfig", corpus: "Corpus") -> tuple[StageConfig, str]:
    memory_gib = None
    if stage.workers.use_gpu:
        free_bytes, _ = torch.cuda.mem_get_info()
        memory_gib = min(_of_all_workers(free_bytes)) / GIB
    local = set(_of_all_workers(int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    chosen = choose_sharding(
        shapes_of(model),
        count_parameters(model, stage),
        stage,
        facts_of(corpus, stage, model.tokens_per_image).fullest_row,
        memory_gib,
        workers_a_node=local.pop() if len(local) == 1 else 1,  # hpZ needs equal nodes
    )
    return chosen.stage, chosen.reason


def _of_all_workers(value: int) -> Iterator[int]:
    """Yields this number of every worker, or of this one where it is alone."""
    if not distributed.is_initialized():
        return iter([value])
    every = [value] * distributed.get_world_size()
    distributed.all_gather_object(every, value)
    return iter(every)
