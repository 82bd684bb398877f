"""What encoding is asked for and what it gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from palo.text.ids import Ids


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodingLimits:
    """How long a sample may be, and what happens to longer conversations.

    Attributes:
        max_text_tokens: Most ids of a sample, image sentinels not counted.
        overflow: split makes several samples; truncate cuts the tail off, as LLaVA does.
    """

    max_text_tokens: int
    overflow: Literal["split", "truncate"] = "split"

    def faults(self) -> Iterator[str]:
        """Yields what is wrong."""
        if self.max_text_tokens < 16:
            yield f"max_text_tokens must be at least 16, got {self.max_text_tokens}"
        if self.overflow not in ("split", "truncate"):
            yield f"overflow must be split or truncate, got {self.overflow!r}"


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedSample:
    """One training sample.

    Attributes:
        input_ids: Token ids with one sentinel per image.
        label_spans: Half-open, ascending index ranges of the ids that are trained; never empty.
        num_text_tokens: Ids that aren't sentinels.
        truncated: Whether ids of its own rounds were cut off.
        rounds: Half-open range of the conversation's rounds that it holds, the last perhaps in
            part.
    """

    input_ids: Ids
    label_spans: tuple[tuple[int, int], ...]
    num_text_tokens: int
    truncated: bool
    rounds: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """What became of one conversation: len(samples) = 1 + num_split - num_dropped.

    Attributes:
        samples: In the order of the rounds.
        num_split: Samples beyond the first that splitting made.
        num_cut: Samples that were truncated.
        num_dropped: Samples left out because no trained token fits in, or there was none.
    """

    samples: tuple[EncodedSample, ...]
    num_split: int = 0
    num_cut: int = 0
    num_dropped: int = 0
