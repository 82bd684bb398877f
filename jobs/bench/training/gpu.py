"""Training at Vicuna-7B's shapes on a GPU: `python jobs/bench/training/gpu.py [--field value ...]`.

Random weights, LoRA on all layers, packed rows of ten-language lengths, one process without
DeepSpeed: tokens and samples a second, model FLOPs utilization and peak memory, with each speed-up
left out in turn, and against padded batches of samples grouped by length, as LLaVA's trainer makes
them. It needs no network and no data. The table is printed, and the result goes to the folder that
is named. It has not been run on a GPU yet, so no figure of it is quoted anywhere.
"""

import dataclasses
import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# Started as a script, it finds its neighbours beside the folder that it is in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from random_model import random_model
from resuming import say
from training.rows import PaddedBatch, RowMaker

from palo import command, config
from palo.benchmark import Conditions, Figure, publish, spread
from palo.data.loader import Batch
from palo.errors import ConfigError
from palo.machine import GIB, hardware
from palo.model.lora import LoraSettings, attach_lora
from palo.model.loss_head import give_loss
from palo.train.engine import parameter_groups, trainable_parameters
from palo.train.loop import row_loss
from palo.train.stages import OptimizerSettings

_ROOT = Path(__file__).resolve().parents[3]
_PACKAGES = ("palo", "torch", "transformers", "peft")
_SQUARE = 8192
_PRODUCTS = 20
_TARGET_SHARE = 0.45
_WAYS: dict[str, dict[str, Any]] = {
    "all": {},
    "without_varlen": {"attention": "palo_segments"},
    "without_chunked_loss": {"chunked_loss": False},
    "without_fused_lora": {"fused_lora": False, "shared_dropout": False},
    "without_shared_dropout": {"shared_dropout": False},
    "recomputing_all": {"recompute_every": 1},
    "recomputing_none": {"recompute_every": 0},
    "padded": {
        "attention": "sdpa",
        "chunked_loss": False,
        "fused_lora": False,
        "shared_dropout": False,
        "recompute_every": 1,
        "padded": True,
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuTrainBench:
    """Settings of this bench.

    Attributes:
        output: Folder of the result file.
        size: Shapes of the model.
        layers: Layers of the language model; None for the model's own, fewer for a trial.
        device: Where it is; the CPU is for trials.
        token_budget: Most tokens of a packed row.
        padded_samples: Samples of a padded batch.
        recompute_every: Which layers are recomputed: 1 all, 2 every second, 0 none.
        rank: Inner width of the LoRA matrices.
        rows: Packed rows that count, of each way.
        warmup_rows: Rows before them.
        seed: Seed of weights, lengths and ids.
    """

    output: Path = Path("bench-gpu")
    size: Literal["mini", "mobile-1.7b", "7b", "13b"] = "7b"
    layers: int | None = None
    device: Literal["cuda", "cpu"] = "cuda"
    token_budget: int = 16_384
    padded_samples: int = 16
    recompute_every: int = 2
    rank: int = 128
    rows: int = 6
    warmup_rows: int = 2
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("token_budget", "padded_samples", "rank", "rows"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if self.recompute_every < 0:
            yield f"recompute_every is {self.recompute_every} but can't be negative"


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How the model is trained.

    Attributes:
        attention: Implementation of the language model's attention.
        chunked_loss: Whether the output head gives the loss.
        fused_lora: Whether a LoRA layer is one operation.
        shared_dropout: Whether such layers share the dropout of one input.
        recompute_every: As the bench's.
        padded: Whether batches are padded; else rows are packed.
    """

    attention: str = "palo_varlen"
    chunked_loss: bool = True
    fused_lora: bool = True
    shared_dropout: bool = True
    recompute_every: int
    padded: bool = False


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = command.override(GpuTrainBench(), arguments, "jobs/bench/training/gpu.py")
    config.check(settings)
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "this bench needs a CUDA device", fix="Run it on one, or try it with --device cpu."
        )
    figures = [peak := _peak_rate(settings)]
    for name, changes in _WAYS.items():
        say(f"training: {name}")
        way = Way(**{"recompute_every": settings.recompute_every} | changes)
        try:
            figures += _measured(settings, name, way, peak.value)
        except torch.OutOfMemoryError as error:
            say(f"{name} is left out, since it doesn't fit: {str(error).splitlines()[0]}")
        gc.collect()
        torch.cuda.empty_cache()
    conditions = Conditions(
        hardware=hardware(),
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=Path()),
        seeds=(settings.seed,),
        counts={"rows": settings.rows, "warmup_rows": settings.warmup_rows},
    )
    publish("train_gpu", figures, conditions, root=_ROOT, folder=settings.output)


def _peak_rate(settings: GpuTrainBench) -> Figure:
    """Measures what the device reaches in bfloat16 products, the base of the utilization."""
    side = _SQUARE if settings.device == "cuda" else _SQUARE // 16
    one = torch.randn(side, side, device=settings.device, dtype=torch.bfloat16)
    rates = []
    for _ in range(_PRODUCTS):
        started = _now(settings)
        one @ one
        rates.append(2 * side**3 / (_now(settings) - started))
    return spread("bfloat16_flops", rates[len(rates) // 2 :], "FLOP/s")


def _measured(settings: GpuTrainBench, name: str, way: Way, peak_flops: float) -> Iterator[Figure]:
    torch.manual_seed(settings.seed)
    model, num_language = _model(settings, way)
    parameters = trainable_parameters(model)
    optimizer = torch.optim.AdamW(
        parameter_groups(
            parameters.items(), OptimizerSettings(lr_projector=2e-5, lr_language_model=2e-4)
        )
    )
    maker = RowMaker(model.config, settings.token_budget, settings.padded_samples, settings.seed)
    rows: Iterator[tuple[Any, int, int]] = maker.packed()
    if way.padded:
        rows = maker.padded()
    if settings.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    tokens_per_s, samples_per_s = [], []
    for number in range(settings.warmup_rows + settings.rows):
        row, num_tokens, num_samples = next(rows)
        row = row.to(settings.device)
        started = _now(settings)
        _loss(model, row, way).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        seconds = _now(settings) - started
        if number >= settings.warmup_rows:
            tokens_per_s.append(num_tokens / seconds)
            samples_per_s.append(num_samples / seconds)
    yield spread(f"{name}_tokens_per_s", tokens_per_s, "tokens/s")
    yield spread(f"{name}_samples_per_s", samples_per_s, "samples/s")
    # Forward 2 N and the gradients of activations 2 N: frozen weights need no gradient of theirs.
    # Recomputation and attention's own products don't count.
    shares = [4 * num_language * rate / peak_flops for rate in tokens_per_s]
    figure = f"{name}_model_flops_utilization"
    if name == "all":
        yield spread(figure, shares, "1", target=_TARGET_SHARE, better="higher")
    else:
        yield spread(figure, shares, "1")
    if settings.device == "cuda":
        yield spread(f"{name}_peak_memory", [torch.cuda.max_memory_allocated() / GIB], "GiB")


def _loss(model: Any, row: Batch | PaddedBatch, way: Way) -> torch.Tensor:  # noqa: ANN401 - PEFT's wrapper
    if isinstance(row, PaddedBatch):
        loss: torch.Tensor = model(
            input_ids=row.input_ids,
            features=row.features,
            attention_mask=row.attention_mask,
            labels=row.labels,
            use_cache=False,
        ).loss
        return loss
    return row_loss(model, row, chunked=way.chunked_loss) / len(row.targets)


def _model(settings: GpuTrainBench, way: Way) -> tuple[Any, int]:
    """Builds the model with LoRA.

    Returns:
        The model, and the parameters of its language model, the embedding aside.
    """
    model: Any = random_model(settings.size, settings.device, settings.layers)
    language = model.language_model
    num_parameters = sum(p.numel() for p in language.model.layers.parameters())
    num_parameters += language.lm_head.weight.numel()
    language.set_attn_implementation(way.attention)
    if way.chunked_loss:
        give_loss(language)
    if way.recompute_every:
        model.activation_checkpointing_enable(
            {"use_reentrant": False}, every_n_layers=way.recompute_every
        )
    lora = LoraSettings(
        rank=settings.rank, alpha=128.0, fused=way.fused_lora, shared_dropout=way.shared_dropout
    )
    wrapped = attach_lora(model, lora)
    return wrapped.train(), num_parameters


def _now(settings: GpuTrainBench) -> float:
    if settings.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    command.run_job(main)
