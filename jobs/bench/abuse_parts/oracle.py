"""Whether the time to the first token tells one tenant what another has asked.

An owner asks a question with a secret about an image. A stranger with a key of their own then
guesses all of it right, or another secret and image. The same is measured where everybody shares
what is cached, which shows that the measurement sees an oracle where there is one. All of the
endpoint takes part but Ray and the network, which would only add noise.
"""

import asyncio
import base64
import json
import math
import random
import statistics
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resuming import say
from serving.stage import images, nano_stage

from palo.benchmark import Figure, resampled
from palo.observability.logs import RequestLog
from palo.security.access import Access, AccessSettings
from palo.security.http_limits import BodyBounds
from palo.security.keys import KeyLimits, add_key
from palo.security.rate_limiter import RateLimiter
from palo.serve.chat_handler import ChatHandler
from palo.serve.decoder_pool import ImageRules
from palo.serve.image_reader import ImageReader
from palo.serve.ingress import IngressSettings, build_app
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.serve.protocol.generate import GenerateRequest, ReplicaEvent
from palo.serve.replica import ModelReplica
from palo.serve.replica_client import ReplicaClient
from palo.serve.settings import ModelSource, ReplicaSettings

_MODEL = "bench"
_UNLIMITED = KeyLimits(requests_per_minute=None, tokens_per_minute=None, concurrent=None)
_SECRET_WORDS = 24
_ADVANTAGE = 0.2  # of honest noise: three standard errors with 200 tries of each kind
_NUM_WARM_UPS = 5
Sharing = Literal["key", "all"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """What a stranger saw of an answer.

    Attributes:
        is_right: Whether the owner had asked the same.
        first_token_s: Seconds until the first token.
        told_tokens: Tokens of the prompt that the answer says were known.
    """

    is_right: bool
    first_token_s: float
    told_tokens: int


def measure_oracle(cache: Path, tries: int, seed: int) -> list[Figure]:
    """Lets a stranger guess, with caches of their own and with caches that all share.

    Args:
        cache: Folder for the model.
        tries: Guesses of each kind.
        seed: Seed of secrets and images.
    """
    stage = nano_stage(cache.resolve(), "guessed")
    replica = ModelReplica((ModelSource(name=_MODEL, folder=stage),), ReplicaSettings())
    figures: list[Figure] = []
    sharings: tuple[Sharing, ...] = ("key", "all")
    try:
        for sharing in sharings:
            say(f"{2 * tries} guesses about another's questions, caches shared by {sharing}")
            guesses = asyncio.run(_guesses(replica, sharing, tries, seed))
            figures += _figures(sharing, guesses)
    finally:
        replica.close()
    return figures


async def _guesses(replica: ModelReplica, sharing: Sharing, tries: int, seed: int) -> list[Guess]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.json"
        owner, stranger = (add_key(path, name, _UNLIMITED)[0] for name in ("owner", "stranger"))
        app = _app(replica, AccessSettings(key_file=path, cache_sharing=sharing))
        draw = random.Random(f"{seed} {sharing}")  # noqa: S311 - no cryptography
        kinds = [True, False] * tries
        draw.shuffle(kinds)
        kinds = [True, False] * _NUM_WARM_UPS + kinds
        files = iter(images(2 * len(kinds), draw.randrange(2**31)))
        found = []
        for is_right in kinds:
            asked, other = (_body(draw, next(files)) for _ in range(2))
            await _answered(app, owner, asked)
            first_s, told = await _answered(app, stranger, asked if is_right else other)
            found.append(Guess(is_right=is_right, first_token_s=first_s, told_tokens=told))
        return found[2 * _NUM_WARM_UPS :]


def _app(replica: ModelReplica, access: AccessSettings) -> Any:  # noqa: ANN401 - an ASGI application
    def call(ask: GenerateRequest) -> _Coming:
        return _Coming(replica.generate(ask))

    handler = ChatHandler(
        (_MODEL,),
        ReplicaClient({_MODEL: call}, 60.0),
        bounds=ProtocolBounds(),
        access=Access(access),
        rate_limiter=RateLimiter(),
        images=ImageReader(ImageRules()),
        bodies=BodyBounds(),
        log=RequestLog(),
        max_requests=8,
    )
    return build_app(handler, IngressSettings())


class _Coming:
    """What a replica says, as Ray Serve passes it on."""

    def __init__(self, items: AsyncGenerator[list[ReplicaEvent]]) -> None:
        self._items = items

    async def __anext__(self) -> list[ReplicaEvent]:
        return await anext(self._items)

    def cancel(self) -> None:
        self._closing = asyncio.ensure_future(self._items.aclose())


def _body(draw: random.Random, file: bytes) -> bytes:
    """Returns a question with a secret and an image that nobody has asked before."""
    secret = " ".join(f"{draw.randrange(10**6):06}" for _ in range(_SECRET_WORDS))
    url = f"data:image/png;base64,{base64.b64encode(file).decode()}"
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "What is here?"},
    ]
    values = {
        "model": _MODEL,
        "messages": [
            {"role": "system", "content": secret},
            {"role": "user", "content": content},
        ],
        "max_tokens": 2,
        "stream": True,
        "stream_options": {"include_usage": True},
        "logprobs": True,  # so that each token has an event, whatever its text
    }
    return json.dumps(values).encode()


async def _answered(app: Any, key: str, body: bytes) -> tuple[float, int]:  # noqa: ANN401 - as above
    """Asks; returns the seconds to the first token, and the tokens that are told to be known."""
    events: list[tuple[float, bytes]] = []
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        events.append((time.perf_counter(), message.get("body", b"")))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {key}".encode())],
    }
    started = time.perf_counter()
    await app(scope, receive, send)
    first_s = next(when for when, part in events if b'"logprob":' in part) - started
    last = next(part for _, part in reversed(events) if b'"usage":{' in part)
    usage = json.loads(last.split(b"\n\n")[0].removeprefix(b"data: "))["usage"]
    return first_s, usage["prompt_tokens_details"]["cached_tokens"]


def _figures(sharing: Sharing, guesses: Sequence[Guess]) -> Iterator[Figure]:
    name = {"key": "tenants", "all": "shared"}[sharing]
    for kind, is_right in (("right", True), ("wrong", False)):
        times_s = _times(guesses, is_right=is_right)
        yield resampled(f"{name}_{kind}_guess_first_token_s", statistics.median, times_s, "s")
    p_value = mann_whitney(_times(guesses, is_right=True), _times(guesses, is_right=False))[1]
    told = float(max(guess.told_tokens for guess in guesses if guess.is_right))
    kept_apart = sharing == "key"
    yield resampled(
        f"{name}_guess_advantage",
        advantage,
        guesses,
        "1",
        target=_ADVANTAGE if kept_apart else None,
        better="lower" if kept_apart else None,
    )
    yield Figure(name=f"{name}_guess_p_value", value=p_value, unit="1", low=p_value, high=p_value)
    yield Figure(
        name=f"{name}_right_guess_told_tokens",
        value=told,
        unit="tokens",
        low=told,
        high=told,
        target=0.0,
        better="lower",
    )


def _times(guesses: Sequence[Guess], *, is_right: bool) -> list[float]:
    return [guess.first_token_s for guess in guesses if guess.is_right is is_right]


def advantage(guesses: Sequence[Guess]) -> float:
    """Returns how far times tell right guesses from wrong ones: 0 for not at all, 1 for always."""
    right, wrong = (_times(guesses, is_right=kind) for kind in (True, False))
    return abs(2 * mann_whitney(right, wrong)[0] - 1) if right and wrong else 0.0


def mann_whitney(ones: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Compares two samples by rank.

    Args:
        ones: One sample.
        others: The other one.

    Returns:
        The probability that one of the first is less than one of the second, ties half, and the
        two-sided p-value of its being a half (normal approximation).

    Source: Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically
    Larger than the Other", 1947.
    """
    ranked = sorted(others)
    less = sum(
        len(ranked) - (bisect_left(ranked, one) + bisect_right(ranked, one)) / 2 for one in ones
    )
    pairs = len(ones) * len(others)
    deviation = math.sqrt(pairs * (len(ones) + len(others) + 1) / 12)
    return less / pairs, math.erfc(abs(less - pairs / 2) / deviation / math.sqrt(2))
