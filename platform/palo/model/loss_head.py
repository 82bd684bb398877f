"""The output head with its loss, a few rows of logits at a time."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class LossHead(nn.Linear):
    """A language model's output head that can give the loss without all logits.

    With a vocabulary of 32,000 a row of logits takes 64 kB in bfloat16 and 128 kB in float32, and
    its gradient as much again: several GB for the targets of a packed row. In chunks only a small
    part of them exists at a time, and the gradient for the hidden states is made with them.
    """

    def forward(self, hidden: Tensor, targets: Tensor | None = None) -> Tensor:
        """Returns logits, or the loss where targets are given.

        It is a forward pass of the module in both cases, so that ZeRO-3 gathers the weight.

        Args:
            hidden: (..., H) floats; (K, H) with targets.
            targets: (K,) int64 ids, or None.

        Returns:
            (..., V) logits, or the sum of the K cross-entropies in nats, float ().
        """
        if targets is None:
            return super().forward(hidden)
        return self.loss(hidden, self.weight, targets)

    def loss(self, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """Returns the sum of cross-entropies in nats, float ().

        Args:
            hidden: (K, H) floats.
            weight: (V, H) floats.
            targets: (K,) int64 ids.
        """
        chunked: Any = functional.linear_cross_entropy
        total: Tensor = chunked(
            hidden,
            weight,
            targets,
            linear_bias=self.bias,
            reduction="sum",
            options=torch.nn.LinearCrossEntropyOptions(),
        )
        return total


def give_loss(language_model: Any) -> None:  # noqa: ANN401 - of transformers
    """Makes a language model's output head one that can give the loss.

    The module stays the same object: its weight may be tied to the embedding, or split among
    workers.

    Args:
        language_model: A model of one of `palo.model.backbones`.
    """
    head: nn.Linear = language_model.lm_head
    head.__class__ = LossHead
