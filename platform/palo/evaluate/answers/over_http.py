"""Answers over HTTP from any OpenAI-compatible server: ours, or a baseline's."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from palo import config
from palo.endpoint.caller import Caller, run_concurrently
from palo.endpoint.replies import Failure
from palo.endpoint.settings import EndpointSettings
from palo.errors import ImageError
from palo.evaluate.answers.answer_cache import AnswerCache, AnswerSet, AnswerSource
from palo.evaluate.benches.bench import Bench, BenchItem
from palo.images.decode import open_image
from palo.images.image_folder import read_image_file
from palo.images.preprocessing import ImageLimits


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpAnswers:
    """Settings of answers over HTTP.

    Attributes:
        endpoint: The server and the model.
        max_tokens: Most tokens of an answer.
        temperature: 0 is greedy.
        name_language: Sends the language wanted in the request field `language`, which our own
            server knows; others may refuse an unknown field.
    """

    endpoint: EndpointSettings
    max_tokens: int = 1024
    temperature: float = 0.0
    name_language: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.max_tokens < 1:
            yield f"max_tokens must be at least 1, not {self.max_tokens}"
        if self.temperature < 0:
            yield f"temperature must not be negative, as {self.temperature} is"


def answer_over_http(
    bench: Bench,
    name: str,
    settings: HttpAnswers,
    path: Path,
    *,
    on_answer: Callable[[], object] = lambda: None,
) -> AnswerSet:
    """Asks a server all open questions.

    Args:
        bench: The questions.
        name: The model's name in reports.
        settings: The server.
        path: File of the cached answers.
        on_answer: Called after each answer, for progress.

    Raises:
        ConfigError: If a setting is wrong, or the server refuses the key, the model or everything.
        DataError: If the file of answers is damaged.
        ImageError: If images are missing or are none.
        ResourceError: If the server can't be reached.
    """
    config.check(settings)
    identity = [
        settings.endpoint.url,
        settings.endpoint.model,
        settings.max_tokens,
        settings.temperature,
        settings.name_language,
    ]
    with AnswerCache(bench, AnswerSource(name=name, identity=identity), path) as cache:
        asyncio.run(_ask_all(cache, settings, on_answer))
        return cache.answer_set()


async def _ask_all(
    cache: AnswerCache, settings: HttpAnswers, on_answer: Callable[[], object]
) -> None:
    has_worked = bool(cache.num_known)
    async with Caller(settings.endpoint, has_worked=has_worked) as caller:

        async def one(item: BenchItem) -> None:
            reply = await caller.call(_body(item, settings))
            if isinstance(reply, Failure):
                cache.fail(item, reply.kind, reply.detail)
            else:
                cache.add(item, reply.text or reply.refusal, reply.finish_reason)
            on_answer()

        await run_concurrently(cache.open, one, in_flight=settings.endpoint.in_flight)
        caller.streak.require_some_good()


def _body(item: BenchItem, settings: HttpAnswers) -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": _data_uri(item.image)}}
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": [image, {"type": "text", "text": item.question}]}],
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
    }
    if settings.name_language:
        body["language"] = item.expected_language
    return body


def _data_uri(path: Path) -> str:
    data = read_image_file(path)
    try:
        with open_image(data, ImageLimits()) as image:
            kind = Image.MIME[image.format or ""]
    except (ImageError, KeyError) as error:
        raise ImageError(
            f"{path} is no image", seen=repr(data[:8]), fix="Fetch the bench again."
        ) from error
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
