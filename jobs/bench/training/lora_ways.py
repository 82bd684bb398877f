"""LoRA layers as one operation against PEFT's: both passes of a packed row, in turn."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from training.packing import first_samples, seconds_of
from training.settings import TrainBench

from palo.benchmark import Figure, resampled
from palo.train.launch import compute_on_cpu
from palo.train.stage_model import build_model
from palo.train.stages import StageJob

_WAYS = {
    "peft": {"fused": False, "shared_dropout": False},
    "fused_lora": {"fused": True, "shared_dropout": False},
    "fused_lora_shared_dropout": {"fused": True, "shared_dropout": True},
}


def measure_lora(settings: TrainBench, job: StageJob) -> list[Figure]:
    """Computes a row in each way in turn and compares their seconds with those of PEFT's layers."""
    device = torch.device(settings.device)
    if device.type == "cpu":
        compute_on_cpu(job.config.workers)
    if job.config.lora is None:
        raise ValueError("this compares ways to compute LoRA, and the stage trains without it")
    models = {}
    for name, way in _WAYS.items():
        stage = replace(job.config, lora=replace(job.config.lora, **way))
        models[name] = build_model(job.parts, stage, None).to(device).train()
    collator, samples = first_samples(settings, job, models["peft"].config.tokens_per_image)
    row = [collator.collate(samples).to(device)]
    rounds = [
        {name: seconds_of(model, row) for name, model in models.items()}
        for _ in range(1 + settings.packing_repeats)
    ][1:]
    return [_figure(name, rounds) for name in models if name != "peft"]


def _figure(name: str, rounds: Sequence[dict[str, float]]) -> Figure:
    def ratio(some: Sequence[dict[str, float]]) -> float:
        return sum(one[name] for one in some) / sum(one["peft"] for one in some)

    return resampled(f"{name}_cost_ratio", ratio, rounds, "1")
