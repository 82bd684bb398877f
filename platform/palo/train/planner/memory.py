"""Memory of one worker, part by part, and whether it fits a card.

What stays:

    weights     all parameters; under ZeRO-3 a worker's share, and whole what is below the threshold
    gathered    under ZeRO-3, what DeepSpeed holds whole at a time: up to `live_parameters` and a
                bucket that is fetched ahead, or the largest tensor
    secondary   with hpZ, a share of a second copy of the weights, divided within the node
    gradients   of what learns, in the weights' type; a share from ZeRO-2 on
    optimizer   float32 weights and two moments of what learns, 12 bytes each; a share from ZeRO-1
                on; in main memory with `offload`
    buckets     DeepSpeed's buffer for gradients, two where communication overlaps

What comes and goes; only the largest sum of it counts:

    forward     what recomputation keeps of every layer (or all that the layers keep), with the
                larger of: logits and loss of the row, or one layer in backward
    update      gradients in float32 and AdamW's temporary copy, 8 bytes of a worker's share
"""

from dataclasses import dataclass, fields

from palo.machine import GIB
from palo.train.planner.activations import activation_bytes, recomputed_layers
from palo.train.planner.shapes import ModelShapes, ParameterCounts
from palo.train.stages import StageConfig

USABLE_SHARE = 0.94
"""Share of a card that a plan may fill: the allocator loses some between blocks of odd sizes."""

_OPTIMIZER_BYTES = 12
_UPDATE_BYTES = 8
# NormalFloat4 with one 8-bit scale for 64 numbers, and a float32 one for 256 of those
# (arXiv 2305.14314, section 3).
_FOUR_BIT_BYTES = 4 / 8 + 1 / 64 + 4 / (64 * 256)
# CUDA's context, cuBLAS' workspace and NCCL's channels; not measured by us.
_CONTEXT_BYTES = 2.0 * GIB


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSize:
    """The largest row that a worker computes at a time.

    Attributes:
        tokens: Its tokens, image tokens included.
        targets: Its predicted tokens.
        images: Its images.
    """

    tokens: int
    targets: float
    images: float

    def shortened(self, budget: int, before: int) -> "RowSize":
        """Returns the row that is left of it with fewer tokens in a row.

        Args:
            budget: Most tokens of a row.
            before: Most tokens that this one could have.
        """
        share = budget / before
        return RowSize(
            tokens=min(self.tokens, budget),
            targets=self.targets * share,
            images=self.images * share,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerMemory:
    """Memory of one worker in bytes, by part; see the module.

    Attributes:
        weights: Parameters.
        gathered: Parameters that ZeRO-3 holds whole for a time.
        secondary: The second copy of the parameters that hpZ keeps.
        gradients: Gradients.
        optimizer: Optimizer state on the device.
        buckets: DeepSpeed's buffers.
        context: The library's own.
        hiddens: What is kept of all layers, of the last norm, and of images.
        layer: One layer in backward.
        loss: Logits and loss.
        update: The optimizer's temporary copies.
        host: Main memory for what is offloaded; not on the device.
    """

    weights: float
    gathered: float
    secondary: float
    gradients: float
    optimizer: float
    buckets: float
    context: float
    hiddens: float
    layer: float
    loss: float
    update: float
    host: float

    @property
    def static(self) -> float:
        """Bytes that stay for the whole stage."""
        kept = (self.weights, self.secondary, self.gradients, self.optimizer)
        return sum(kept) + self.buckets + self.context

    @property
    def activations(self) -> float:
        """Bytes of a row at its peak."""
        return self.hiddens + max(self.layer, self.loss)

    @property
    def peak(self) -> float:
        """Most bytes on the device at a time."""
        return self.static + max(self.activations + self.gathered, self.update)

    def parts(self) -> dict[str, float]:
        """Returns the bytes by part."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def fits(self, memory_gib: float) -> bool:
        """Returns whether it fits a card.

        Args:
            memory_gib: The card's memory in GiB.
        """
        return self.peak <= memory_gib * GIB * USABLE_SHARE


def worker_memory(
    shapes: ModelShapes,
    counts: ParameterCounts,
    stage: StageConfig,
    row: RowSize,
    *,
    with_deepspeed: bool = True,
) -> WorkerMemory:
    """Returns the memory of one worker.

    Args:
        shapes: Sizes of the model.
        counts: Its parameters.
        stage: The stage's settings.
        row: The largest row.
        with_deepspeed: False for the engine of one process, whose optimizer keeps no second copy of
            the weights.
    """
    size = 2 if stage.dtype == "bfloat16" else 4
    workers = stage.workers.count if with_deepspeed else 1
    zero = stage.zero.level if with_deepspeed else 0
    share = [1 / workers if zero >= level else 1.0 for level in (1, 2, 3)]
    small = counts.blocks if stage.base_precision == "nf4" else 0
    shared = (counts.total - counts.whole - small) * share[2]
    weights = (shared + counts.whole) * size + small * _FOUR_BIT_BYTES
    optimizer = counts.trained * share[0] * (_OPTIMIZER_BYTES if with_deepspeed else 2 * size)
    gathered = buckets = secondary = 0.0
    if zero == 3 and (stage.zero.hpz or 1) > 1:
        secondary = (counts.total - counts.whole) * size / (stage.zero.hpz or 1)
    if zero == 3 and workers > 1:
        live = max(counts.largest, stage.zero.live_parameters) + stage.zero.bucket_elements
        gathered = min(live, counts.total - counts.whole - small) * (1 - share[2]) * size
    if with_deepspeed:
        buckets = stage.zero.bucket_elements * size * (2.0 if stage.workers.use_gpu else 1.0)
    host = 0.0
    if stage.zero.offload:
        host, optimizer = optimizer, 0.0
        if zero == 3:
            stays = counts.whole * float(size)
            host, weights = host + weights - stays, stays
    act = activation_bytes(shapes, stage)
    again = recomputed_layers(shapes, stage)
    kept = again * act.hidden + (shapes.layers - again) * act.layer
    # The weights' own gradients of a layer wait beside those that they are added to.
    of_a_layer = counts.blocks if stage.trains == "full" else counts.trained_language
    # A last layer that isn't computed again has gone by the time that another one is.
    last_again = again and (shapes.layers - 1) % stage.recompute_every == 0
    one = act.layer if last_again else 0.0
    return WorkerMemory(
        weights=weights,
        gathered=gathered,
        secondary=secondary,
        gradients=counts.trained * share[1] * size,
        optimizer=optimizer,
        buckets=buckets,
        context=_CONTEXT_BYTES if stage.workers.use_gpu else 0.0,
        hiddens=row.tokens * (kept + act.ends) + row.images * act.image,
        layer=row.tokens * (one + act.passing) + act.once + of_a_layer / shapes.layers * size,
        loss=row.targets * act.target + act.head,
        update=counts.trained * share[0] * float(_UPDATE_BYTES),
        host=host,
    )
