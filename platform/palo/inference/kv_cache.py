"""The KV cache: one row for each request that is being answered, allocated once."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import LlamaConfig


class KVCache:
    """Keys and values of every layer, for a fixed number of requests of bounded length.

    Args:
        config: The language model's configuration.
        num_slots: Rows.
        max_context: Tokens of a row.
        dtype: Type of the model's weights.
        device: Device of the model.

    Attributes:
        kv: (layers, 2, slots, K, max_context, W): keys, then values.
    """

    def __init__(
        self,
        config: "LlamaConfig",
        num_slots: int,
        max_context: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        heads = config.num_key_value_heads
        width = config.head_dim
        shape = (config.num_hidden_layers, 2, num_slots, heads, max_context, width)
        self.kv = torch.zeros(shape, dtype=dtype, device=device)
        # Views made once: making them in every layer of every step costs as much as attention.
        self.layers = [(layer[0], layer[1]) for layer in self.kv.unbind()]
        self.rows = [
            list(zip(keys.split(1), values.split(1), strict=True)) for keys, values in self.layers
        ]

    def block(self, slot: int, start: int, length: int) -> Tensor:
        """Returns a view of some tokens of a slot: (layers, 2, K, length, W)."""
        return self.kv[:, :, slot, :, start : start + length]
