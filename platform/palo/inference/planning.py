"""What a step computes: the rule alone, so that it can be tested without a model."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar


class Schedulable(Protocol):
    """What the rule needs to know of an answer."""

    @property
    def is_decoding(self) -> bool:
        """Whether its prompt is computed."""

    @property
    def num_prompt_left(self) -> int:
        """Places of its prompt that are not."""

    def next_block(self, block_tokens: int) -> bytes | None:
        """Returns the name of the block that is computed next."""


P = TypeVar("P", bound=Schedulable)


class ScheduledTokens(NamedTuple, Generic[P]):
    """Places of one answer that a step computes."""

    sequence: P
    length: int


def plan_step(
    running: Sequence[P], chunk: int, block_tokens: int, *, shares: bool
) -> list[ScheduledTokens[P]]:
    """Plans a step: one place for each answer that is under way, then prompts, oldest first.

    Where two prompts are at the same block, only the first goes on: the other finds it computed.

    Args:
        running: Answers that have a slot, oldest first.
        chunk: Most places of prompts.
        block_tokens: Tokens of a block; a prompt stops at the end of one unless it is complete.
        shares: Whether computed blocks are kept for others.
    """
    parts = [ScheduledTokens(sequence, 1) for sequence in running if sequence.is_decoding]
    under_way: set[bytes] = set()
    for sequence in running:
        if sequence.is_decoding:
            continue
        name = sequence.next_block(block_tokens) if shares else None
        if name in under_way:
            continue
        length = min(chunk, sequence.num_prompt_left)
        if length < sequence.num_prompt_left:
            length -= length % block_tokens
        if length == 0:
            break
        if name is not None:
            under_way.add(name)
        chunk -= length
        parts.append(ScheduledTokens(sequence, length))
    return parts
