"""Clients of an endpoint that note how each of their requests ended."""

import base64
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

_WAIT_S = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a request ended.

    Attributes:
        outcome: `answered`, `refused: CODE`, `told in the stream: CODE`, or `LOST: why`.
        asked_s: When it was asked, on a clock that only goes forward.
        first_token_s: Seconds until its first token; None if there was none.
        total_s: Seconds until its end.
        version: Version of the model that answered; empty if none did.
        num_tokens: Tokens of the answer.
        cached_tokens: Tokens of the prompt that were known.
    """

    outcome: str
    asked_s: float
    first_token_s: float | None = None
    total_s: float = 0.0
    version: str = ""
    num_tokens: int = 0
    cached_tokens: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether a whole answer came."""
        return self.outcome == "answered"

    @property
    def is_lost(self) -> bool:
        """Whether neither a whole answer nor an error with a code came."""
        return self.outcome.startswith("LOST")


def question(model: str, text: str, max_tokens: int, image: bytes | None = None) -> dict[str, Any]:
    """Returns the body of a request that streams, with an event for each token.

    Args:
        model: Name of the model.
        text: The question.
        max_tokens: Most tokens of the answer.
        image: Bytes of a PNG file.
    """
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if image is not None:
        url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        parts.insert(0, {"type": "image_url", "image_url": {"url": url}})
    return {
        "model": model,
        "messages": [{"role": "user", "content": parts}],
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        # A token that completes no character has an event only with these.
        "logprobs": True,
    }


class Crowd:
    """Threads that ask, each its next question after its answer.

    Args:
        url: Address of the endpoint.
        bodies: What is asked, in order; may be endless.
        num_clients: Threads.

    Attributes:
        endings: How requests ended, in that order.
    """

    def __init__(self, url: str, bodies: Iterable[Mapping[str, Any]], num_clients: int) -> None:
        self.endings: list[Ending] = []
        self._url = url
        self._bodies = iter(bodies)
        self._ended = threading.Condition()
        self._threads = [threading.Thread(target=self._run) for _ in range(num_clients)]
        for thread in self._threads:
            thread.start()

    def wait(self, count: int) -> None:
        """Waits until so many requests have ended."""
        with self._ended:
            self._ended.wait_for(lambda: len(self.endings) >= count)

    def stop(self) -> None:
        """Lets nobody ask another question; those that were asked go on."""
        with self._ended:
            self._bodies = iter(())

    def join(self) -> list[Ending]:
        """Waits until all have ended; returns how."""
        for thread in self._threads:
            thread.join()
        return self.endings

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=_WAIT_S) as client:
            while (body := self._next()) is not None:
                ending = _ask(client, body)
                with self._ended:
                    self.endings.append(ending)
                    self._ended.notify_all()

    def _next(self) -> Mapping[str, Any] | None:
        with self._ended:
            return next(self._bodies, None)


def _ask(client: httpx.Client, body: Mapping[str, Any]) -> Ending:
    noted: dict[str, Any] = {}
    started_s = time.monotonic()
    try:
        outcome = _outcome(client, body, noted, started_s)
    except (httpx.HTTPError, KeyError, ValueError) as error:
        outcome = f"LOST: {type(error).__name__}"
    total_s = time.monotonic() - started_s
    return Ending(outcome=outcome, asked_s=started_s, total_s=total_s, **noted)


def _outcome(
    client: httpx.Client, body: Mapping[str, Any], noted: dict[str, Any], started_s: float
) -> str:
    is_finished = False
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        if response.status_code != 200:
            return f"refused: {orjson.loads(response.read())['error']['code']}"
        for data in _events(response):
            if data == "[DONE]":
                return "answered" if is_finished else "LOST: an end without an answer"
            values = orjson.loads(data)
            if "error" in values:
                return f"told in the stream: {values['error']['code']}"
            noted["version"] = values.get("system_fingerprint") or ""
            if (usage := values.get("usage")) is not None:
                noted["num_tokens"] = usage["completion_tokens"]
                noted["cached_tokens"] = (usage.get("prompt_tokens_details") or {}).get(
                    "cached_tokens", 0
                )
            for choice in values["choices"]:
                is_finished = is_finished or choice.get("finish_reason") is not None
                if choice.get("logprobs") and "first_token_s" not in noted:
                    noted["first_token_s"] = time.monotonic() - started_s
    return "LOST: cut off"


def _events(response: httpx.Response) -> Iterator[str]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ")
