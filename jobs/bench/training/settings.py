"""Settings of the training benchmark."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_PACKING = ("packing_samples", "packing_repeats")

Part = Literal["all", "job", "zero", "workers", "lengths", "packing", "lora"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainBench:
    """Settings of the training bench.

    Attributes:
        part: What to run: the whole job against a bare loop, ZeRO-3 against ZeRO-1, all workers
            against one, the lengths of packs and padded batches, a packed row against its samples,
            LoRA layers as one operation against PEFT's, or all of them.
        output: Folder of the result file; the repository's own by default, for whole runs only.
        joins: Folders of parts that have run one by one, to make one result of; nothing is run.
        device: Where workers train; on cuda each takes one GPU and computes in bfloat16.
        workers: Workers of the job, and processes of the bare loop.
        layers: Layers of the language model, 30 being SmolLM2-135M's; fewer for a trial.
        width: Hidden size of the language model, 576 being SmolLM2-135M's; less for a trial.
        image_size: Side of the images in pixels; 112, as in the mini recipe, gives 64 image tokens.
        samples_per_step: Samples of an optimizer step over all workers; 16 as in the mini recipe.
            ZeRO-3 gathers the weights once a step, so smaller steps make the job look worse.
        persistence_threshold: Parameters with fewer elements stay whole on every worker; the mini
            recipe's by default. 100000 divides nearly all weights, as the large recipes do.
        warmup_steps: First steps of each run, which don't count.
        steps: Steps of each run that count.
        repeats: Runs of each side, in turn.
        packing_samples: Samples of the packed row, at most those of a step.
        packing_repeats: Times that such a row and what it is compared with are computed, in turn.
        conversations: Conversations of each seed, all languages together, to measure lengths.
        length_seeds: How many seeds measure lengths.
        seed: First seed.
    """

    part: Part = "all"
    output: Path | None = None
    joins: tuple[Path, ...] = ()
    device: Literal["cpu", "cuda"] = "cpu"
    workers: int = 2
    layers: int = 30
    width: int = 576
    image_size: int = 112
    samples_per_step: int = 16
    persistence_threshold: int | None = None
    warmup_steps: int = 2
    steps: int = 3
    repeats: int = 2
    packing_samples: int = 4
    packing_repeats: int = 4
    conversations: int = 4000
    length_seeds: int = 5
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("workers", "layers", "steps", "repeats", *_PACKING, "length_seeds"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if self.width < 18 or self.width % 18:  # nine heads of an even size
            yield f"width is {self.width} but must be a multiple of 18"
        if self.samples_per_step < self.workers:
            yield f"samples_per_step is {self.samples_per_step}, less than one for each worker"
        if self.runs("workers") and (self.workers == 1 or self.samples_per_step % self.workers):
            yield (
                f"samples_per_step is {self.samples_per_step}: {self.workers} workers can't be "
                "compared with one that has its share of them"
            )
        if self.warmup_steps < 1:
            yield "warmup_steps must be at least 1: the first step also compiles and allocates"
        if self.joins and self.part != "all":
            yield f"joins makes one result of parts: leave part at all, not {self.part}"
        if self.part != "all" and self.output is None:
            yield f"part {self.part} alone makes no result to keep: name another output folder"

    @property
    def num_steps(self) -> int:
        """Steps of one run."""
        return self.warmup_steps + self.steps

    def runs(self, part: Part) -> bool:
        """Returns whether a part is wanted."""
        return self.part in ("all", part)
