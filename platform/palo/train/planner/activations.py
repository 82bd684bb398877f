"""Bytes that a forward pass keeps for its backward pass: of a layer, of an image, of a target.

What each operation of a Llama decoder layer keeps, for one token; s is the size of a number, H the
hidden size, Q the width of all query heads, K that of all key heads, I the intermediate size and m
the size of a dropout mask's number (1 on a GPU; on a CPU it is of the activations' type):

    two norms         4 H each: their input in float32; Gemma 3 has four
    norms of heads    4 (Q + K), the same, where queries and keys are normalized
    attention         (2 Q + 2 K) s: queries, keys, values, output; 4 a head for softmax's sum
    MLP               3 I s: gate, its SiLU, and up
    LoRA              the input of each adapted linear layer, and rank s for its inner vector.
                      Without dropout q, k and v share an input, gate and up another one:
                      (2 H + Q + I) s; with it each has its own and a mask: (5 H + Q + I) (s + m)
    fused LoRA        with dropout inputs are shared too: (2 H + Q + I) s + (5 H + Q + I) m, or
                      (2 H + Q + I) (s + m) where dropout is shared
    DoRA              besides, the output of each adapted layer twice, as the base and as LoRA give
                      it: 2 (2 H + Q + 2 K + 2 I) s; and for a moment, whatever the row, a square
                      of the widest input and three matrices: (I I + 3 H I) s
    4-bit base        for a moment the widest matrix, made whole: H I s
    full training     the inputs of the linear layers (2 H + Q + I) s, and the norms' outputs: 2 H s
                      for two of them
"""

from dataclasses import dataclass

from palo.model.lora import LoraSettings
from palo.train.planner.shapes import ModelShapes
from palo.train.stages import StageConfig

_FLOAT32 = 4
_LINEAR_LAYERS = 7
# A projector's two mobile blocks: what six maps of the hidden size for each patch keep in the first
# one, one in the second, and five for each of a quarter of the patches.
_LDP_MAPS = 6 + 1 + 5 / 4


def recomputed_layers(shapes: ModelShapes, stage: StageConfig) -> int:
    """Returns how many layers are computed again in the backward pass.

    Args:
        shapes: Sizes of the model.
        stage: The stage's settings.
    """
    return -(-shapes.layers // stage.recompute_every) if stage.activation_checkpointing else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivationBytes:
    """Bytes that are kept for the backward pass.

    Attributes:
        layer: Of a decoder layer, for each token.
        hidden: What recomputation keeps of a layer in its place, for each token.
        passing: Gradients on their way through a layer, for each token, while it is in backward.
        once: Passing values of a layer that don't depend on the row, in all.
        ends: Last norm and rotary embedding, for each token of a row.
        image: Features and the projector, for each image.
        target: Logits and loss at their peak, for each predicted token.
        head: The output head's gradient, where the loss is computed with it.
    """

    layer: float
    hidden: float
    passing: float
    once: float
    ends: float
    image: float
    target: float
    head: float


def activation_bytes(shapes: ModelShapes, stage: StageConfig) -> ActivationBytes:
    """Returns what a stage's forward pass keeps.

    Args:
        shapes: Sizes of the model.
        stage: The stage's settings.
    """
    size = 2 if stage.dtype == "bfloat16" else _FLOAT32
    hidden, wide = shapes.hidden, shapes.intermediate
    inputs = 2 * hidden + shapes.query_width + wide
    normed = shapes.norms * hidden
    if shapes.normed_heads:
        normed += shapes.query_width + shapes.key_width
    layer = float(_FLOAT32 * normed + _FLOAT32 * shapes.heads)
    layer += (2 * (shapes.query_width + shapes.key_width) + 3 * wide) * size
    if stage.lora is not None:
        layer += _lora_bytes(shapes, stage.lora, size, 1 if stage.workers.use_gpu else size)
    elif stage.trains == "full":
        layer += (inputs + normed) * size
    head = shapes.query_width // shapes.heads
    ends = _FLOAT32 * hidden + 2 * head * size
    full = stage.trains == "full"
    # log_softmax keeps float32, and its backward pass needs two more of that size.
    target = 3 * _FLOAT32 * shapes.vocabulary + (hidden * size if full else 0)
    if stage.chunked_loss:
        # Hidden states and their gradient; logits of a chunk have their size, at most doubled by
        # rounding to a power of two, in float32, twice (torch's LinearCrossEntropyOptions).
        target = 2 * hidden * size + 2 * 2 * _FLOAT32 * hidden
    return ActivationBytes(
        layer=layer,
        hidden=hidden * size,
        passing=2 * (hidden + wide) * size,
        once=_once(shapes, stage, size),
        ends=ends,
        image=_image_bytes(shapes, size),
        target=target,
        head=float(shapes.vocabulary * hidden * size if stage.chunked_loss and full else 0),
    )


def _once(shapes: ModelShapes, stage: StageConfig, size: int) -> float:
    hidden, wide = shapes.hidden, shapes.intermediate
    if stage.lora is not None and stage.lora.dora:
        return float((wide * wide + 3 * hidden * wide) * size)
    return float(hidden * wide * size) if stage.base_precision == "nf4" else 0.0


def _lora_bytes(shapes: ModelShapes, lora: LoraSettings, size: int, mask: int) -> float:
    rank = _LINEAR_LAYERS * lora.rank * size
    own = shapes.query_width + shapes.intermediate
    if lora.dora:
        outputs = 2 * shapes.hidden + shapes.query_width
        rank += 2 * (outputs + 2 * shapes.key_width + 2 * shapes.intermediate) * size
    if lora.dropout == 0:
        return (2 * shapes.hidden + own) * size + rank
    if lora.fused:
        inputs = 2 * shapes.hidden + own
        masks = inputs if lora.shared_dropout else 5 * shapes.hidden + own
        return inputs * size + masks * mask + rank
    return (5 * shapes.hidden + own) * (size + mask) + rank


def _image_bytes(shapes: ModelShapes, size: int) -> float:
    """Features as they come and in the projector's type, and what its layers keep."""
    values = 2 * shapes.vision_width
    if shapes.projector_depth:
        values += 2 * (shapes.projector_depth - 1) * shapes.hidden
    else:
        values += int((2 + _LDP_MAPS) * shapes.hidden)
    return float(shapes.patches * values * size)
