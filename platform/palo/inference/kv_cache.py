"""The KV cache, with one row for each running sequence, and the prefix cache of its blocks."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import LlamaConfig


_TEXT, _IMAGE = b"t", b"i"


class KVCache:
    """Keys and values of every layer for a fixed number of sequences, allocated once.

    Args:
        config: The language model's configuration.
        num_slots: Rows, one for each running sequence.
        max_context: Most tokens of a row.
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
        """Returns a view (layers, 2, K, length, W) of consecutive tokens of a slot.

        Args:
            slot: The slot.
            start: Position of the first token.
            length: Number of tokens.
        """
        return self.kv[:, :, slot, :, start : start + length]


class BlockKeys:
    """Hashes the blocks of a growing sequence; equal names mean equal sequences up to there.

    A name covers the block and all tokens before it: ids, images, the weights that computed them,
    and the salt.

    Args:
        weights: Name of the adapter, or "" for the model's own weights.
        block_tokens: Tokens of a block.
        salt: Equal sequences of different salts have different names.
    """

    def __init__(self, weights: str, block_tokens: int, salt: str = "") -> None:
        self.names: list[bytes] = []
        self._block_tokens = block_tokens
        self._parent = hashlib.sha256(_digest(weights) + _digest(salt)).digest()
        self._pending: list[bytes] = []

    def add_ids(self, ids: Iterable[int]) -> None:
        """Appends text tokens.

        Args:
            ids: Their ids.
        """
        for token_id in ids:
            self._add(_TEXT + token_id.to_bytes(8, "big", signed=True))

    def add_image(self, image_id: str, num_tokens: int) -> None:
        """Appends the tokens of an image.

        Args:
            image_id: Names the content of the image.
            num_tokens: Its tokens.
        """
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
    """A least-recently-used cache of KV blocks, found by their content.

    Args:
        kv_cache: The cache whose blocks are copied.
        block_tokens: Tokens of a block.
        max_bytes: Memory; less than one block disables the cache.
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
        """Copies cached blocks into a slot, up to the first one that isn't cached.

        Args:
            names: Names of consecutive blocks.
            slot: Slot to copy them to.
            first: Index of the first block within the slot.

        Returns:
            How many blocks were copied.
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
        # Last ones first, so that the end of an unused sequence is evicted before its beginning.
        for name in reversed(names[: len(found)]):
            self._blocks.move_to_end(name)
        return len(found)

    def store(self, names: Sequence[bytes], slot: int, first: int) -> None:
        """Copies blocks of a slot into the cache, evicting the least recently used ones.

        Args:
            names: Names of consecutive blocks.
            slot: Slot that holds them.
            first: Index of the first block within the slot.
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
