"""Inputs of all trainers: one model with the same weights, and the same samples in each step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from training import conversations
from training.beside_samples import TEMPLATE, Sample, drawn_steps, tokenizer_folder
from training.beside_settings import BesideBench, Order
from training.inputs import (
    FINGERPRINT,
    NUM_IMAGES,
    bench_stage,
    image_features,
    image_name,
    write_corpus,
    write_parts,
)
from training.programs.other_model import other_model
from transformers import CLIPVisionConfig, LlavaConfig

from palo.data.plan import Plan, PlanConfig
from palo.model.lora import LoraSettings
from palo.text.encoding import IMAGE_SENTINEL, expand_sentinels
from palo.train.engine import canonical_name
from palo.train.stage_model import build_model
from palo.train.stages import StageConfig, StageJob

_IGNORED = -100
_OUR_NAMES = {
    "language_model.model.": "model.language_model.",
    "language_model.lm_head.": "lm_head.",
    "projector.0.": "model.multi_modal_projector.linear_1.",
    "projector.2.": "model.multi_modal_projector.linear_2.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """What the runs of one order and seed train on.

    Attributes:
        job: Our stage.
        lora: Its LoRA settings.
        folder: Folder of the others' model and samples.
    """

    job: StageJob
    lora: LoraSettings
    folder: Path


def write_inputs(
    settings: BesideBench, root: Path, order: Order, seed: int, folder: Path
) -> Inputs:
    """Writes the inputs of all trainers.

    Dropout is off: the numbers that it draws depend on how samples share batches.

    Args:
        settings: The bench's.
        root: The checkout.
        order: How steps are made.
        seed: Seed of the samples and of all weights.
        folder: Where the inputs go.
    """
    sizes = settings.sizes(seed)
    data = conversations.data_folder(root)
    parts = write_parts(sizes, folder, tokenizer_folder(data))
    stage = bench_stage(sizes)
    assert stage.lora is not None
    lora = replace(stage.lora, dropout=0.0)
    stage = replace(stage, template=TEMPLATE, lora=lora)
    # Ours at its best; the others have no such setting.
    ours = replace(stage, lora=replace(lora, fused=True))
    job = StageJob(
        name="bench", config=ours, parts=parts, corpus=folder / "corpus", output=folder / "run"
    )
    model = build_model(parts, stage, None)
    samples = drawn_steps(settings, data, order, model.config.tokens_per_image, seed)
    rows = [_row(number, sample) for number, sample in enumerate(samples)]
    write_corpus(sizes, job.corpus, parts, TEMPLATE, _placed(rows, stage))
    others = folder / "others"
    others.mkdir()
    _write_other_model(model, lora, others)
    _write_other_samples(samples, model.config, seed, others)
    return Inputs(job=job, lora=lora, folder=others)


def _row(number: int, sample: Sample) -> dict[str, object]:
    return {
        "sample_id": f"{number}",
        "record_id": f"{number}",
        "language": "en",
        "source": "bench",
        "image_id": image_name(number) if sample.has_image else None,
        "input_ids": sample.ids,
        "label_spans": sample.spans,
        "num_text_tokens": sample.num_text,
        "truncated": False,
    }


def _placed(rows: Sequence[dict[str, object]], stage: StageConfig) -> list[dict[str, object]]:
    """Puts rows where our plan, which orders samples at random, takes them step by step."""
    config = PlanConfig(
        global_batch=stage.global_batch,
        token_budget=stage.token_budget,
        tokens_per_image=0,
        seed=stage.seed,
    )
    unknown = np.zeros(len(rows), np.int32)  # the order depends on their number alone
    plan = Plan(config, FINGERPRINT, unknown, unknown.astype(np.bool_))
    order = [index for step in range(plan.num_steps) for index in plan.step(step)]
    placed = list(rows)
    for row, index in zip(rows, order, strict=True):
        placed[index] = row
    return placed


def _write_other_model(model: Any, lora: LoraSettings, folder: Path) -> None:  # noqa: ANN401 - PEFT's
    """Writes our model's weights by the names of transformers' LLaVA with LoRA."""
    own = model.config
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=own.vision_hidden_size,
            intermediate_size=1,
            num_hidden_layers=1,
            num_attention_heads=1,
        ),
        text_config=own.text_config,
        image_token_id=own.text_config.vocab_size - 1,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=own.tokens_per_image,
        tie_word_embeddings=own.text_config.tie_word_embeddings,
    )
    config.text_config._attn_implementation = "sdpa"
    config.save_pretrained(folder)
    other = other_model(config, lora.rank, lora.alpha)
    ours = {
        f"base_model.model.{_other_name(canonical_name(name))}": tensor.float()
        for name, tensor in model.state_dict().items()
        if "vision_tower" not in name
    }
    other.load_state_dict(ours)
    save_file({k: v.clone() for k, v in other.state_dict().items()}, folder / "start.safetensors")


def _other_name(name: str) -> str:
    for ours, theirs in _OUR_NAMES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(f"{name} has no place in transformers' LLaVA")


def _write_other_samples(
    samples: Sequence[Sample],
    config: Any,  # noqa: ANN401 - a PaloConfig
    seed: int,
    folder: Path,
) -> None:
    image = config.text_config.vocab_size - 1
    ids, labels = [], []
    for sample in samples:
        trained = {place for span in sample.spans for place in range(*span)}
        own_labels = [i if n in trained else _IGNORED for n, i in enumerate(sample.ids)]
        repeats = torch.tensor(
            [config.tokens_per_image if i == IMAGE_SENTINEL else 1 for i in sample.ids]
        )
        expanded = torch.tensor(expand_sentinels(sample.ids, config.tokens_per_image))
        ids.append(expanded.masked_fill(expanded == IMAGE_SENTINEL, image))
        labels.append(torch.tensor(own_labels).repeat_interleave(repeats))
    shape = (config.num_patches, config.vision_hidden_size)
    save_file(
        {
            "input_ids": torch.cat(ids),
            "labels": torch.cat(labels),
            "lengths": torch.tensor([len(each) for each in ids]),
            "images": torch.tensor(
                [n % NUM_IMAGES if sample.has_image else -1 for n, sample in enumerate(samples)]
            ),
            "features": image_features(shape, seed),
        },
        folder / "samples.safetensors",
    )
