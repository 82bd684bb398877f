"""The KV cache: one row for each request that is being answered, allocated once."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
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


_TEXT, _IMAGE = b"t", b"i"


class BlockKeys:
    """Names the blocks of a growing row of tokens; equal names mean equal rows up to there.

    A name covers the block and everything before it: the ids, which image stands where, the
    weights that computed it, and who may find it.

    Args:
        weights: Names the weights: the adapter, or nothing for the model's own.
        block_tokens: Tokens of a block.
        salt: Equal rows of different salts have different names.
    """

    def __init__(self, weights: str, block_tokens: int, salt: str = "") -> None:
        self.names: list[bytes] = []
        self._block_tokens = block_tokens
        self._parent = hashlib.sha256(_digest(weights) + _digest(salt)).digest()
        self._pending: list[bytes] = []

    def add_ids(self, ids: Iterable[int]) -> None:
        """Adds tokens of text."""
        for token_id in ids:
            self._add(_TEXT + token_id.to_bytes(8, "big", signed=True))

    def add_image(self, image_id: str, num_tokens: int) -> None:
        """Adds the tokens of an image."""
        digest = _IMAGE + _digest(image_id)
        for place in range(num_tokens):
            self._add(digest + place.to_bytes(4, "big"))

    def _add(self, token: bytes) -> None:
        self._pending.append(token)
        if len(self._pending) == self._block_tokens:
            self._parent = hashlib.sha256(self._parent + b"".join(self._pending)).digest()
            self.names.append(self._parent)
            self._pending.clear()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class PrefixCache:
    """A fixed amount of memory with the blocks that were used last.

    Args:
        kv_cache: The cache whose blocks are kept.
        block_tokens: Tokens of a block.
        max_bytes: Memory; what is less than a block keeps none.
    """

    def __init__(self, kv_cache: KVCache, block_tokens: int, max_bytes: int) -> None:
        self._kv_cache = kv_cache
        self._block_tokens = block_tokens
        sample = kv_cache.kv[:, :, 0, :, :1]
        self.block_bytes = sample.numel() * sample.element_size() * block_tokens
        self.num_blocks = max_bytes // self.block_bytes
        self._blocks: OrderedDict[bytes, Tensor] = OrderedDict()

    def __len__(self) -> int:
        """Returns the number of blocks that are kept."""
        return len(self._blocks)

    def __contains__(self, name: bytes) -> bool:
        return name in self._blocks

    @property
    def used_bytes(self) -> int:
        """Memory of the blocks that are kept."""
        return len(self._blocks) * self.block_bytes

    def restore(self, names: Sequence[bytes], slot: int, first: int) -> int:
        """Copies the blocks that are known, up to the first that isn't, into a slot.

        Args:
            names: Names of blocks that follow one another.
            slot: Where they go.
            first: Number of the first one within the slot.

        Returns:
            How many there were.
        """
        found = []
        for name in names:
            block = self._blocks.get(name)
            if block is None:
                break
            found.append(block)
        if found:
            length = self._block_tokens * len(found)
            target = self._kv_cache.block(slot, first * self._block_tokens, length)
            target.copy_(torch.cat(found, dim=3))
        # Last ones first: of a row that is no longer asked for, the end is forgotten first.
        for name in reversed(names[: len(found)]):
            self._blocks.move_to_end(name)
        return len(found)

    def store(self, names: Sequence[bytes], slot: int, first: int) -> None:
        """Copies blocks out of a slot, in place of those that were not used for longest.

        Args:
            names: Names of blocks that follow one another.
            slot: Where they are.
            first: Number of the first one within the slot.
        """
        for number, name in enumerate(names, start=first):
            if name in self._blocks or not self.num_blocks:
                continue
            source = self._kv_cache.block(slot, number * self._block_tokens, self._block_tokens)
            if len(self._blocks) < self.num_blocks:
                block = source.clone(memory_format=torch.contiguous_format)
            else:
                _, block = self._blocks.popitem(last=False)
                block.copy_(source)
            self._blocks[name] = block
