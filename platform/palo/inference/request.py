"""Requests to an engine, and its outputs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from palo.errors import PaloError

if TYPE_CHECKING:
    from torch import Tensor

MAX_LOGPROBS = 20
_MAX_STOPS = 16
_MAX_STOP_CHARACTERS = 256

FinishReason = Literal["stop", "length", "cancelled", "error"]
"""Why a sequence ended: a stop id or string, a limit, its caller, or an error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """Sampling parameters and stop conditions.

    Attributes:
        temperature: Divides the logits; 0 for greedy decoding.
        top_p: Samples only from the most probable ids that together have this probability.
        top_k: Samples only from this many of the most probable ids; 0 for all.
        repetition_penalty: Divides the logits of ids that occurred before; 1 for none.
        seed: Equal seeds give equal answers, whatever else runs; None draws a fresh one.
        max_tokens: Most tokens of an answer; None for as many as the context holds.
        stop: Texts that end an answer and are no part of it.
        stop_ids: Ids that end an answer and have no text.
        num_logprobs: Most probable ids reported beside each sampled one; None for no log
            probabilities at all.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    num_logprobs: int | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not 0 <= self.temperature <= 100:
            yield f"temperature is {self.temperature}, it must be from 0 to 100"
        if not 0 < self.top_p <= 1:
            yield f"top_p is {self.top_p}, it must be above 0 and at most 1"
        if self.top_k < 0:
            yield f"top_k is {self.top_k}, it can't be negative"
        if not 0.01 <= self.repetition_penalty <= 100:
            yield f"repetition_penalty is {self.repetition_penalty}, it must be from 0.01 to 100"
        if self.max_tokens is not None and self.max_tokens < 1:
            yield f"max_tokens is {self.max_tokens}, it must be at least 1"
        if len(self.stop) > _MAX_STOPS:
            yield f"stop has {len(self.stop)} texts, at most {_MAX_STOPS} are taken"
        if any(not 0 < len(text) <= _MAX_STOP_CHARACTERS for text in self.stop):
            yield f"stop texts have from 1 to {_MAX_STOP_CHARACTERS} characters"
        if self.num_logprobs is not None and not 0 <= self.num_logprobs <= MAX_LOGPROBS:
            yield f"num_logprobs is {self.num_logprobs}, it must be from 0 to {MAX_LOGPROBS}"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Request:
    """A request for one answer.

    Attributes:
        prompt_ids: Token ids with one sentinel for each image.
        image_ids: Images of the sentinels, in order; an id names the content of an image.
        features: (P, D) floats of the vision tower for each image id.
        sampling: Sampling parameters.
        adapter: Name of the adapter to use; None for the model's own weights.
        salt: Requests share cached blocks only with requests of an equal salt.
        begun_ids: Ids of an answer that another engine has begun, which is continued: outputs have
            what follows, and the usage covers all of it.
    """

    prompt_ids: Sequence[int]
    image_ids: tuple[str, ...] = ()
    features: "Mapping[str, Tensor]" = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    adapter: str | None = None
    salt: str = ""
    begun_ids: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """One generated token.

    Attributes:
        id: Its id.
        logprob: Natural logarithm of its probability in the model's own distribution, before
            temperature and penalty; None unless requested.
        top: The most probable ids with their log probabilities, most probable first.
    """

    id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenUsage:
    """Tokens and time that one answer took.

    Attributes:
        prompt_tokens: Tokens of the prompt, each image with all of its tokens.
        completion_tokens: Generated tokens, the one that ended the answer included.
        cached_tokens: Tokens of the prompt that the prefix cache held.
        queue_s: Seconds until a slot was free.
        first_token_s: Seconds from the request to its first token; None if there was none.
        total_s: Seconds from the request to its end.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    queue_s: float
    first_token_s: float | None
    total_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """The addition of one engine step to an answer.

    Attributes:
        text: Complete characters that no stop text can take back; they may belong to tokens of
            earlier steps.
        tokens: Tokens of this step; a stop id is not among them.
        finish: Why the answer ended; None before its end.
        usage: Tokens and time of the answer, together with `finish`.
        error: The failure, where `finish` is "error".
    """

    text: str = ""
    tokens: tuple[Token, ...] = ()
    finish: FinishReason | None = None
    usage: TokenUsage | None = None
    error: PaloError | None = None
