"""Plans a step of the scheduler; apart from it, so that the rule is tested without a model."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar


class Schedulable(Protocol):
    """The part of a sequence that planning depends on."""

    @property
    def is_decoding(self) -> bool:
        """Whether its prompt is computed, so that each step decodes one token."""

    @property
    def num_prompt_left(self) -> int:
        """Tokens of its prompt that are not computed yet."""

    def next_block(self, block_tokens: int) -> bytes | None:
        """Returns the name of the block that is computed next, or None.

        Args:
            block_tokens: Tokens of a block.
        """


P = TypeVar("P", bound=Schedulable)


class ScheduledTokens(NamedTuple, Generic[P]):
    """The next `length` tokens of one sequence, which a step computes."""

    sequence: P
    length: int


def plan_step(
    running: Sequence[P], chunk: int, block_tokens: int, *, shares: bool
) -> list[ScheduledTokens[P]]:
    """Plans a step: one token for each decoding sequence, then prompts, oldest first.

    Of two prompts at the same block only the first is computed: the other finds the block in the
    prefix cache at a later step.

    Args:
        running: Sequences that have a slot, oldest first.
        chunk: Most prompt tokens of the step.
        block_tokens: Tokens of a block; an incomplete prompt stops at the end of one.
        shares: Whether computed blocks are kept for other sequences.

    Returns:
        The tokens to compute, decoding sequences first.
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
