"""Settings of the comparison with other trainers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.environments import TRL
from training.settings import TrainBench

Order = Literal["length", "modality"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A trainer, and the steps that it trains on.

    Attributes:
        name: Name of the side.
        order: How its steps are made: "length" as transformers' Trainer groups samples by length,
            "modality" as LLaVA's trainer groups them.
        program: Its program in `programs`; None for our own job.
        variable: Environment variable with the Python that has it; None for our own.
        scanned: Whether several sizes of its batches are tried; else a worker's share of a
            step is one batch.
        recipe: Whether it has the settings of LLaVA's recipes: activations are recomputed, and
            DeepSpeed's sizes follow the model's width.
    """

    name: str
    order: Order
    program: str | None = None
    variable: str | None = None
    scanned: bool = False
    recipe: bool = False


OURS: dict[Order, Side] = {
    "length": Side(name="ours", order="length"),
    "modality": Side(name="ours_on_llava_steps", order="modality"),
}
"""Our own job, on the steps of each order."""
OTHERS = (
    Side(name="transformers", order="length", program="transformers_run.py", scanned=True),
    Side(name="trl", order="length", program="trl_run.py", variable=TRL, scanned=True),
    Side(name="llava_way", order="modality", program="transformers_run.py", recipe=True),
)
"""The other trainers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BesideBench:
    """Settings of the comparison.

    Attributes:
        output: Folder of the result file; the repository's own by default.
        cache: Folder of the runs that are done; they aren't repeated at the same commit with the
            same settings.
        stop_after_s: No other run begins after so many seconds; the next call goes on. None runs
            them all.
        others: The other trainers; fewer for a trial.
        workers: Workers of every trainer.
        layers: Layers of the language model, 30 being SmolLM2-135M's; fewer for a trial.
        image_size: Side of the images in pixels; 112, as in the mini recipe, gives 64 image tokens.
        max_text_tokens: Most text tokens of a sample, as in the mini recipe.
        samples_per_step: Samples of an optimizer step over all workers; 8 as in the mini recipe.
        warmup_steps: First steps of each run, which don't count.
        steps: Steps of each run that count.
        repeats: Runs of each side, in turn, each pair on steps of its own.
        conversations: Conversations whose order is made, all languages together; the steps are
            drawn from them.
        micro_batches: Samples of a worker's batch that the first repeat tries; the quickest counts,
            and stays.
        seed: Seed of the first repeat.
    """

    output: Path | None = None
    cache: Path = Path(".cache") / "train-beside"
    stop_after_s: float | None = None
    others: tuple[str, ...] = tuple(side.name for side in OTHERS)
    workers: int = 2
    layers: int = 30
    image_size: int = 112
    max_text_tokens: int = 512
    samples_per_step: int = 8
    warmup_steps: int = 2
    steps: int = 2
    repeats: int = 2
    conversations: int = 2000
    micro_batches: tuple[int, ...] = (2, 1)
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("workers", "layers", "samples_per_step", "steps", "repeats", "warmup_steps"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        names = [side.name for side in OTHERS]
        yield from (
            f"others has {name}, none of {names}" for name in self.others if name not in names
        )
        for size in self.micro_batches:
            if size < 1 or self.samples_per_step % (size * self.workers):
                yield (
                    f"micro_batches has {size}, but a step of {self.samples_per_step} samples is "
                    f"no multiple of {self.workers} batches of it"
                )
        if self.conversations < 8 * self.samples_per_step * self.num_steps:
            yield f"conversations is {self.conversations}, too few to draw steps from"

    @property
    def num_steps(self) -> int:
        """Steps of one run."""
        return self.warmup_steps + self.steps

    def sizes(self, seed: int) -> TrainBench:
        """Returns the same sizes as settings of the training bench.

        Args:
            seed: Seed of weights and features.
        """
        return TrainBench(
            workers=self.workers,
            layers=self.layers,
            image_size=self.image_size,
            samples_per_step=self.samples_per_step,
            warmup_steps=self.warmup_steps,
            steps=self.steps,
            seed=seed,
        )
