"""How long conversations are, as a plan assumes before a corpus is built: in tokens, by language.

A conversation in English is taken to have 300 tokens of words (the mean of LLaVA's instructions and
of its mix of 665,298 records, from the sizes of their files), as a log-normal variable; another
language multiplies it by its tokens for the same text. The template adds its own tokens. What is
longer than the limit is cut, or a conversation of several rounds is split between them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from palo import languages

CAPTION_TOKENS = 30.0
"""Mean text tokens of a caption of the pretrain stage."""

_ENGLISH_WORDS = 300.0
# Then half of the Bengali conversations are longer than 1,472 tokens; on conversations of realistic
# length 54 % were.
_SPREAD = 0.5
# LLaVA's system prompt has 31 tokens, a round about 9, and half of the records more than one round.
_TEMPLATE_TOKENS = 45.0
# Of LLaVA's 157,712 instructions 57,712 have several rounds; longer single rounds are always cut.
_SEVERAL_ROUNDS = 0.37
_ANSWER_SHARE = 0.75
_MOST_PIECES = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class TextLengths:
    """What is assumed of conversations in one language.

    Attributes:
        samples: Samples that a conversation becomes, in the mean.
        text_tokens: Mean text tokens of a sample.
        target_tokens: Mean predicted tokens of a sample.
        too_long: Share of conversations beyond the limit.
    """

    samples: float
    text_tokens: float
    target_tokens: float
    too_long: float


def assumed_lengths(
    language: str, max_text_tokens: int, overflow: Literal["split", "truncate"]
) -> TextLengths:
    """Returns what is assumed of conversations in a language.

    Args:
        language: ISO 639-1 code.
        max_text_tokens: Longest sample.
        overflow: What happens to longer conversations.
    """
    mean = _ENGLISH_WORDS * languages.get(language).llama_tokens
    room = max(1.0, max_text_tokens - _TEMPLATE_TOKENS)
    cut = _mean_up_to(mean, room)
    too_long = _share_beyond(mean, room)
    if overflow == "truncate":
        words, samples = cut, 1.0
    else:
        further = sum(_share_beyond(mean, room * piece) for piece in range(1, _MOST_PIECES))
        samples = 1 + _SEVERAL_ROUNDS * further
        kept = _SEVERAL_ROUNDS * mean + (1 - _SEVERAL_ROUNDS) * cut
        words = min(kept / samples, room)
    return TextLengths(
        samples=samples,
        text_tokens=words + _TEMPLATE_TOKENS,
        target_tokens=words * _ANSWER_SHARE,
        too_long=too_long,
    )


def mean_lengths(
    counts: Mapping[str, float], max_text_tokens: int, overflow: Literal["split", "truncate"]
) -> TextLengths:
    """Returns what is assumed of conversations in several languages together.

    Args:
        counts: Conversations by language.
        max_text_tokens: Longest sample.
        overflow: What happens to longer conversations.
    """
    total = sum(counts.values())
    each = [(n, assumed_lengths(c, max_text_tokens, overflow)) for c, n in counts.items() if n]
    samples = sum(n * one.samples for n, one in each)
    return TextLengths(
        samples=samples / total,
        text_tokens=sum(n * one.samples * one.text_tokens for n, one in each) / samples,
        target_tokens=sum(n * one.samples * one.target_tokens for n, one in each) / samples,
        too_long=sum(n * one.too_long for n, one in each) / total,
    )


def _below(value: float) -> float:
    """The standard normal distribution function."""
    return 0.5 * (1 + math.erf(value / math.sqrt(2)))


def _distance(mean: float, limit: float) -> float:
    return (math.log(limit / mean) + _SPREAD**2 / 2) / _SPREAD


def _share_beyond(mean: float, limit: float) -> float:
    return 1 - _below(_distance(mean, limit))


def _mean_up_to(mean: float, limit: float) -> float:
    """The mean of the smaller of a log-normal variable and a limit."""
    distance = _distance(mean, limit)
    return mean * _below(distance - _SPREAD) + limit * (1 - _below(distance))
