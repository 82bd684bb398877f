"""The operations of a training step, by the convention that model FLOP utilisation (MFU) uses.

The convention of Kaplan et al. (arXiv 2001.08361) and of PaLM's appendix B (arXiv 2204.02311): a
weight costs a multiplication and an addition for each token, in the forward pass (2), for the
gradient of its input (2) and for its own gradient (2). A frozen weight has no gradient of its own:
4 in place of 6. What is computed twice to save memory counts once.
"""

import math
from dataclasses import dataclass
from typing import Any

from palo.model.four_bit import whole_shape
from palo.train.stages import Trains

_FROZEN, _TRAINED = 4, 6
_ATTENTION = 6

CONVENTION = (
    "4 operations for each token and frozen weight of the decoder (forward, and the gradient of "
    "its input), 6 for each that learns; the output layer for predicted tokens only; causal "
    "attention as 6 x layers x width x the sum of squared sample lengths, half of what PaLM's "
    "appendix B counts. Recomputation, the projector and the image tower are left out."
)
"""What is counted, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFlops:
    """What a token of a step costs.

    Attributes:
        num_decoder: Weights in matrices of the language model, but for its first and last layer.
        num_head: Weights of its output layer.
        num_lora: LoRA weights.
        factor: Operations for each weight of the language model and token: 4 or 6.
        num_layers: Its layers.
        attention_width: Heads times their size.
    """

    num_decoder: int
    num_head: int
    num_lora: int
    factor: int
    num_layers: int
    attention_width: int

    def of_step(self, *, num_tokens: int, num_target_tokens: int, squared_lengths: float) -> float:
        """Returns the operations of a step.

        Args:
            num_tokens: Tokens of the step, image tokens included.
            num_target_tokens: Those that are predicted.
            squared_lengths: Sum over its samples of the square of their tokens.
        """
        weights = self.factor * self.num_decoder + _TRAINED * self.num_lora
        attention = _ATTENTION * self.num_layers * self.attention_width * squared_lengths
        return weights * num_tokens + self.factor * self.num_head * num_target_tokens + attention


def operations_of_a_weight(trains: Trains) -> int:
    """Returns the operations for each weight of the language model and token.

    Args:
        trains: The parts that learn.
    """
    return _TRAINED if trains == "full" else _FROZEN


def count_flops(model: Any, trains: Trains) -> ModelFlops:  # noqa: ANN401 - PEFT or bare model
    """Counts a model's weights by what a token costs in them.

    Args:
        model: A PaloForConditionalGeneration, bare or wrapped by PEFT, whole, scattered or with a
            language model in 4 bits.
        trains: The parts that learn.
    """
    num_decoder = num_lora = 0
    for name, parameter in model.named_parameters():
        if "language_model." not in name or "embed_tokens." in name or "lm_head." in name:
            continue
        shape = whole_shape(parameter)
        size = math.prod(shape) if len(shape) > 1 else 0
        if ".lora_" in name:
            num_lora += size
        else:
            num_decoder += size
    text = model.config.text_config
    head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return ModelFlops(
        num_decoder=num_decoder,
        num_head=text.vocab_size * text.hidden_size,
        num_lora=num_lora,
        factor=operations_of_a_weight(trains),
        num_layers=text.num_hidden_layers,
        attention_width=text.num_attention_heads * head_size,
    )
