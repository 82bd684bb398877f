"""The plan of a whole run: its stages, the encoding of its images, disk, hours and money."""

from dataclasses import dataclass
from typing import Literal

from palo.corpus.images_step.encoder_settings import ComputeType, EncoderSettings
from palo.train.planner.changes import Change
from palo.train.planner.gpus import GpuKind
from palo.train.planner.shapes import ModelShapes, ParameterCounts
from palo.train.planner.stage_plan import StagePlan

# Share of a card's rate at which the tower encodes images; operations a second of one CPU core in
# float32. Both are careful guesses: the bench of corpora measures.
_ENCODER_SHARE = 0.35
_FLOAT32_OF_TF32 = 1 / 8  # of an A100: 19.5 against 156 TFLOP/s
_CORE_RATE = 50e9
_TOKEN_BYTES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodePlan:
    """The encoding of a run's images, once for all stages.

    Attributes:
        num_images: Distinct images.
        store: What is kept of an image.
        image_bytes: Size of one in the store.
        encoders: Processes that run the tower.
        gpus: GPUs of all of them together.
        hours: Hours that it takes; 0 for pixels, which only need decoding.
        hours_on_gpus: Hours on the GPUs of training, if they did it; None without.
    """

    num_images: int
    store: Literal["features", "pixels"]
    image_bytes: int
    encoders: int
    gpus: float
    hours: float
    hours_on_gpus: float | None

    @property
    def gpu_hours(self) -> float:
        """GPU-hours that it takes; 0 on CPUs."""
        return self.hours * self.gpus

    @property
    def store_bytes(self) -> int:
        """Size of the store."""
        return self.num_images * self.image_bytes


def plan_encoding(
    shapes: ModelShapes,
    counts: ParameterCounts,
    *,
    num_images: int,
    store: Literal["features", "pixels"],
    encoders: EncoderSettings,
    gpu: GpuKind | None,
    num_gpus: int,
) -> EncodePlan:
    """Plans the encoding of images.

    Args:
        shapes: Sizes of the model.
        counts: Its parameters.
        num_images: Distinct images.
        store: What is kept of an image.
        encoders: The processes that run the tower.
        gpu: The kind of GPU; None without.
        num_gpus: GPUs that the stages train on.
    """
    if store == "pixels":
        image_bytes, operations = 3 * shapes.image_side**2, 0.0
    else:
        image_bytes = 2 * shapes.patches * shapes.vision_width
        operations = 2.0 * counts.tower * (shapes.patches + 1)
    gpus = encoders.count * encoders.gpus
    on_card = _card_rate(gpu, encoders.dtype) if gpu else 0.0
    on_cores = encoders.count * encoders.threads * _CORE_RATE
    rate = gpus * on_card if gpus and gpu else on_cores
    return EncodePlan(
        num_images=num_images,
        store=store,
        image_bytes=image_bytes,
        encoders=encoders.count,
        gpus=gpus,
        hours=num_images * operations / rate / 3600,
        hours_on_gpus=num_images * operations / (on_card * num_gpus) / 3600 if gpu else None,
    )


def _card_rate(gpu: GpuKind, dtype: ComputeType) -> float:
    rates = {"bfloat16": gpu.bf16, "tf32": gpu.tf32, "float32": gpu.tf32 * _FLOAT32_OF_TF32}
    return rates[dtype] * _ENCODER_SHARE


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaled:
    """All stages on another number of GPUs, with the same batches.

    Attributes:
        gpus: GPUs.
        hours: Hours of all stages, where gathering weights hides behind computing.
        most_hours: Hours where nothing of it hides.
        encode_gpu_hours: GPU-hours of encoding, which are the same on any number.
    """

    gpus: int
    hours: float
    most_hours: float
    encode_gpu_hours: float

    def money(self, price: float) -> tuple[float, float]:
        """Returns the least and the most US dollars, encoding included.

        Args:
            price: US dollars a GPU-hour.
        """
        hours = (self.hours, self.most_hours)
        least, most = ((one * self.gpus + self.encode_gpu_hours) * price for one in hours)
        return least, most


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlan:
    """What a run would take.

    Attributes:
        recipe: Name of its recipe or scale.
        gpu: The kind of GPU; None without.
        price: US dollars a GPU-hour; None if unknown.
        speed_from: Where the speed comes from.
        stages: Its stages.
        changes: By stage, what makes it fit; only for stages that don't.
        quicker: By stage, what would make it quicker.
        encode: The encoding of its images; None where nothing says how many there are.
        scaled: The run on other numbers of GPUs.
    """

    recipe: str
    gpu: GpuKind | None
    price: float | None
    speed_from: str
    stages: tuple[StagePlan, ...]
    changes: dict[str, Change | None]
    quicker: dict[str, Change]
    encode: EncodePlan | None
    scaled: tuple[Scaled, ...]

    @property
    def fits(self) -> bool | None:
        """Whether all stages fit; None without a card."""
        return None if self.gpu is None else all(one.fits for one in self.stages)

    @property
    def hours(self) -> float | None:
        """Hours of all stages, without encoding; None if one of them is unknown."""
        known = [one.hours for one in self.stages if one.hours is not None]
        return sum(known) if len(known) == len(self.stages) else None

    @property
    def gpu_hours(self) -> float | None:
        """GPU-hours of all stages and of encoding; None if they are unknown."""
        if self.gpu is None or self.hours is None:
            return None
        trained = sum((one.hours or 0) * one.stage.workers.count for one in self.stages)
        return trained + (self.encode.gpu_hours if self.encode else 0)

    @property
    def money(self) -> float | None:
        """US dollars of all GPU-hours; None if hours or price are unknown."""
        hours = self.gpu_hours
        return None if hours is None or self.price is None else hours * self.price

    def disk(self) -> dict[str, float]:
        """Returns bytes on disk by what they are for."""
        needs: dict[str, float] = {}
        if self.encode is not None:
            needs[f"image store ({self.encode.store})"] = self.encode.store_bytes
        for one in self.stages:
            keep = one.stage.keep_checkpoints + 1  # the new one is written before an old one goes
            needs[f"{one.name} checkpoints"] = one.checkpoint_bytes * keep
            needs[f"{one.name} result"] = one.result_bytes
            if one.name == "align" and one.stage.lora is not None:
                width = 2 if one.stage.dtype == "bfloat16" else 4
                needs["aligned language model"] = one.counts.language * width
            if one.facts.num_samples is not None:
                text = one.facts.tokens * _TOKEN_BYTES
                needs[f"{one.name} samples"] = one.facts.num_samples * text
        return needs
