"""A packed row against its samples one by one: forward and backward, in one process."""

import time
from collections.abc import Sequence

import torch
from training.settings import TrainBench

from palo.benchmark import Figure, resampled
from palo.data.corpus_reader import open_corpus
from palo.data.loader import Batch, Collator
from palo.data.samples import Sample
from palo.train.launch import compute_on_cpu
from palo.train.loop import token_losses
from palo.train.stage_model import build_model
from palo.train.stage_plan import make_plan
from palo.train.stages import StageJob

_TARGET = 1.10


def measure_packing(settings: TrainBench, job: StageJob) -> Figure:
    """Computes both in turn and compares their seconds."""
    device = torch.device(settings.device)
    if device.type == "cpu":
        compute_on_cpu(job.config.workers)
    model = build_model(job.parts, job.config, None).to(device).train()
    collator, samples = first_samples(settings, job, model.config.tokens_per_image)
    packed = [collator.collate(samples).to(device)]
    singles = [collator.collate([sample]).to(device) for sample in samples]
    seconds_of(model, packed)
    seconds_of(model, singles)
    times = [
        (seconds_of(model, packed), seconds_of(model, singles))
        for _ in range(settings.packing_repeats)
    ]
    return resampled("packed_row_cost_ratio", _ratio, times, "1", target=_TARGET, better="lower")


def first_samples(
    settings: TrainBench, job: StageJob, tokens_per_image: int
) -> tuple[Collator, list[Sample]]:
    """Returns the samples of the packed row, and what makes rows of them."""
    corpus = open_corpus(job.corpus)
    first = make_plan(corpus, job.config, tokens_per_image).step(0)
    samples = corpus.read(first[: settings.packing_samples])
    return Collator(corpus.images, tokens_per_image), samples


def _ratio(times: Sequence[tuple[float, float]]) -> float:
    packed, singles = map(sum, zip(*times, strict=True))
    return packed / singles


def seconds_of(model: torch.nn.Module, rows: list[Batch]) -> float:
    """Returns the seconds of forward and backward passes of rows."""
    started = time.perf_counter()
    for row in rows:
        token_losses(model, row).sum().backward()  # type: ignore[no-untyped-call]
    model.zero_grad()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started
