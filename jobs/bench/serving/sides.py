"""The three sides: one by one, one static batch, and the engine."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from palo.inference.engine import InferenceEngine
from palo.inference.request import Request
from palo.model import PaloForConditionalGeneration
from palo.text.encoding import expand_sentinels


@dataclass(frozen=True, slots=True)
class Round:
    """What came of requests that were all asked at once.

    Attributes:
        num_tokens: Tokens of all answers.
        seconds: Until the last of them.
        first_token_s: For each request the seconds until its first token.
    """

    num_tokens: int
    seconds: float
    first_token_s: list[float]

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.num_tokens / self.seconds

    @property
    def mean_first_s(self) -> float:
        """Mean time to the first token."""
        return sum(self.first_token_s) / len(self.first_token_s)

    @property
    def p95_first_s(self) -> float:
        """Time to the first token that 95 % of the requests don't exceed."""
        place = -(-95 * len(self.first_token_s) // 100) - 1
        return sorted(self.first_token_s)[place]


class _FirstToken:
    """A streamer of transformers that notes when the first token comes."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        """Takes the prompt, and then each token."""
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Does nothing."""


def one_by_one(model: PaloForConditionalGeneration, requests: Sequence[Request]) -> Round:
    """Answers with transformers' `generate`, each request after the one before."""
    started = time.perf_counter()
    num_tokens = 0
    first_token_s = []
    for request in requests:
        streamer = _FirstToken()
        num_tokens += _generate(model, [request], streamer)
        first_token_s.append(streamer.times[1] - started)
    return Round(num_tokens, time.perf_counter() - started, first_token_s)


def static_batch(model: PaloForConditionalGeneration, requests: Sequence[Request]) -> Round:
    """Answers with one `generate` for all; no token is seen before the last."""
    started = time.perf_counter()
    num_tokens = _generate(model, requests, None)
    seconds = time.perf_counter() - started
    return Round(num_tokens, seconds, [seconds] * len(requests))


def _generate(
    model: PaloForConditionalGeneration, requests: Sequence[Request], streamer: _FirstToken | None
) -> int:
    tokens_per_image = model.config.tokens_per_image
    rows = [expand_sentinels(request.prompt_ids, tokens_per_image) for request in requests]
    features = [f for request in requests for f in request.features.values()]
    done = model.generate(
        torch.tensor(rows, device=model.device),
        features=torch.stack(features).to(model.device, model.dtype) if features else None,
        max_new_tokens=requests[0].sampling.max_tokens,
        do_sample=False,
        streamer=streamer,
    )
    num_new: int = done.shape[1] - len(rows[0])
    return num_new * len(rows)


def by_engine(engine: InferenceEngine, requests: Sequence[Request]) -> Round:
    """Answers with the engine, one client for each request."""

    async def ask(request: Request) -> tuple[int, float]:
        num_tokens, first = 0, 0.0
        async for output in engine.stream(request):
            if output.tokens and not num_tokens:
                first = time.perf_counter() - started
            num_tokens += len(output.tokens)
        return num_tokens, first

    async def ask_all() -> list[tuple[int, float]]:
        return await asyncio.gather(*map(ask, requests))

    started = time.perf_counter()
    answers = asyncio.run(ask_all())
    seconds = time.perf_counter() - started
    return Round(sum(n for n, _ in answers), seconds, [first for _, first in answers])
