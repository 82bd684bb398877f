"""What a replica of a model is asked, and the pieces that it answers with."""

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
        data: Bytes of its file, not trusted.
        param: Where it stands in the request.
    """

    image_id: str
    data: bytes = field(repr=False)
    param: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateRequest:
    """One request to a model, as it goes from the ingress to a replica.

    Attributes:
        request_id: Names it in logs.
        model: Which of the deployment's models answers.
        conversation: Ends with the user's turn.
        images: Its images in the order of their places.
        sampling: How answers are drawn; the model adds what ends them.
        num_choices: How many answers are wanted.
        owner: Whose request it is; images of several owners are decoded in turn.
        salt: Requests of equal salts share what is cached; of others nothing can be learnt.
    """

    request_id: str
    model: str
    conversation: Conversation = field(repr=False)
    images: tuple[RequestImage, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    num_choices: int = 1
    owner: str = ""
    salt: str = ""

    @property
    def routing_key(self) -> str | None:
        """Requests of one key are best answered by one replica; None if any will do."""
        return f"{self.salt}\n{self.images[0].image_id}" if self.images else None


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenText:
    """A token of an answer as clients see it.

    Attributes:
        data: UTF-8 bytes that it stands for, perhaps part of a character.
        logprob: Natural logarithm of its share.
        top: The likeliest tokens with theirs, likeliest first.
    """

    data: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """What is added to one of the answers.

    Attributes:
        choice: Number of the answer, from 0.
        text: Whole characters.
        tokens: Its tokens, if they were asked for.
        finish: Why the answer ended; None while it goes on.
        usage: What it took, with `finish`.
    """

    choice: int = 0
    text: str = ""
    tokens: tuple[TokenText, ...] = ()
    finish: Literal["stop", "length"] | None = None
    usage: TokenUsage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """The first thing that a replica says: the request is taken.

    Attributes:
        version: Names the weights that answer.
        prompt_tokens: Tokens of the prompt, each image with all of its own.
    """

    version: str
    prompt_tokens: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaReport:
    """The last thing that a replica says: what its engine has done so far.

    Attributes:
        model: Names its deployment, as the first of its models does.
        replica: Names the replica.
        stats: What its engine counts.
    """

    model: str
    replica: str
    stats: EngineStats


ReplicaEvent = Started | Delta | APIError | ReplicaReport
"""What comes from a replica: it has begun, pieces, why it can't go on, and what it counted."""
