"""The request to a model replica, and the events of its answer."""

from dataclasses import dataclass, field
from typing import Literal

from palo.api_errors import APIError
from palo.inference.engine import EngineStats
from palo.inference.request import Sampling, TokenUsage
from palo.text.messages import Conversation


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestImage:
    """An image of a request.

    Attributes:
        image_id: SHA-256 of the bytes, in hexadecimal.
        data: Its file, untrusted.
        param: Path of its field in the request.
    """

    image_id: str
    data: bytes = field(repr=False)
    param: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateRequest:
    """A request from the ingress to a model replica.

    Attributes:
        request_id: Its id in logs.
        model: Name of the model.
        conversation: The conversation, ending with the user's turn.
        images: Its images, in order.
        sampling: Sampling parameters, without the model's stop ids.
        num_choices: Number of answers.
        owner: Id of its key; owners take turns in decoding images.
        salt: Cache salt: requests share cached work only with requests of an equal salt.
        begun: Ids of each choice that a lost replica has sent; None for a choice that is finished.
            Empty for a new request.
        version: Fingerprint of the weights that generated them; empty for a new request.
    """

    request_id: str
    model: str
    conversation: Conversation = field(repr=False)
    images: tuple[RequestImage, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    num_choices: int = 1
    owner: str = ""
    salt: str = ""
    begun: tuple[tuple[int, ...] | None, ...] = ()
    version: str = ""

    @property
    def routing_key(self) -> str | None:
        """Requests of an equal key are best answered by the same replica; None for any replica."""
        return f"{self.salt}\n{self.images[0].image_id}" if self.images else None


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenText:
    """A token with its log probabilities, as clients see it.

    Attributes:
        data: Its UTF-8 bytes, maybe part of a character.
        logprob: Natural logarithm of its probability.
        top: The most probable tokens with their log probabilities, most probable first.
    """

    data: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """New text of one choice.

    Attributes:
        choice: Index of the choice.
        text: Complete characters.
        ids: Ids of its tokens, with which another replica can continue the answer.
        tokens: Its tokens, if log probabilities are requested.
        finish: Why the choice ended; None before its end.
        usage: Tokens and time of the choice, together with `finish`.
    """

    choice: int = 0
    text: str = ""
    ids: tuple[int, ...] = ()
    tokens: tuple[TokenText, ...] = ()
    finish: Literal["stop", "length"] | None = None
    usage: TokenUsage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """The first event of a replica: the request is queued.

    Attributes:
        version: Fingerprint of the weights.
        prompt_tokens: Tokens of the prompt, each image with all of its tokens.
    """

    version: str
    prompt_tokens: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """The request waits for a replica: all are busy, or the one that answered was lost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaReport:
    """The last event of a replica: the statistics of its engine.

    Attributes:
        model: Name of its deployment, which is that of its first model.
        replica: Id of the replica.
        stats: Statistics of its engine.
    """

    model: str
    replica: str
    stats: EngineStats


ReplicaEvent = Started | Delta | APIError | ReplicaReport
"""An event of a replica's answer."""
