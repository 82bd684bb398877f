"""How large an engine is."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """Sizes and bounds of an engine.

    Attributes:
        num_slots: Requests that are answered at once.
        max_context: Longest prompt with its answer, in tokens; the model's own limit if less.
        prefill_chunk: Places of prompts that a step computes at most. More of them make prompts a
            little faster and the wait between two tokens of a running answer longer.
        block_tokens: Tokens of a block, the unit in which prefixes are kept and found again.
        prefix_cache_bytes: Memory for kept blocks; 0 keeps none.
        max_waiting: Requests that may wait for a slot.
        static_decode: Gives the steps between prompts shapes that are always the same, and records
            them as CUDA graphs where the model is on a GPU.
        gpu_memory_share: With vLLM, the share of a GPU's memory that it may take.
        repack_weights: On a CPU, keeps a second copy of the language model's float32 weights, in an
            order that makes the steps between prompts up to a quarter faster.
    """

    num_slots: int = 8
    max_context: int = 4096
    prefill_chunk: int = 256
    block_tokens: int = 16
    prefix_cache_bytes: int = 512 * 2**20
    max_waiting: int = 64
    static_decode: bool = False
    gpu_memory_share: float = 0.85
    repack_weights: bool = True

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("num_slots", "max_context", "block_tokens", "max_waiting"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, it must be at least 1"
        if self.prefill_chunk < self.block_tokens or self.prefill_chunk % self.block_tokens:
            yield (
                f"prefill_chunk is {self.prefill_chunk}, it must be a multiple of block_tokens, "
                f"{self.block_tokens}"
            )
        if not 0 < self.gpu_memory_share <= 1:
            yield f"gpu_memory_share is {self.gpu_memory_share}, it must be above 0 and at most 1"
        if self.prefix_cache_bytes < 0:
            yield f"prefix_cache_bytes is {self.prefix_cache_bytes}, it can't be negative"
