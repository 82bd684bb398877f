"""Concurrent clients of an endpoint that record the outcome of each request."""

import base64
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from palo.endpoint.connections import connection_settings

_WAIT_S = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestOutcome:
    """The outcome of a request.

    Attributes:
        outcome: `answered`, `refused: CODE`, `told in the stream: CODE`, or `LOST: why`.
        sent_s: Time of the request on the monotonic clock.
        first_token_s: Seconds until its first token; None if there was none.
        total_s: Seconds until its end.
        version: Fingerprint of the model that answered; empty if none did.
        num_tokens: Tokens of the answer.
        cached_tokens: Cached tokens of the prompt.
    """

    outcome: str
    sent_s: float
    first_token_s: float | None = None
    total_s: float = 0.0
    version: str = ""
    num_tokens: int = 0
    cached_tokens: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether a whole answer arrived."""
        return self.outcome == "answered"

    @property
    def is_lost(self) -> bool:
        """Whether neither a whole answer nor an error with a code arrived."""
        return self.outcome.startswith("LOST")


def request_body(
    model: str, text: str, max_tokens: int, image: bytes | None = None
) -> dict[str, Any]:
    """Returns the body of a streamed request, with an event for each token.

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


class ConcurrentClients:
    """Threads that each send the next request after the answer to their last one.

    Args:
        url: Address of the endpoint.
        bodies: Bodies of the requests, in order; may be endless.
        num_clients: Number of threads.

    Attributes:
        outcomes: Outcomes in the order of their ends.
    """

    def __init__(self, url: str, bodies: Iterable[Mapping[str, Any]], num_clients: int) -> None:
        self.outcomes: list[RequestOutcome] = []
        self._url = url
        self._bodies = iter(bodies)
        self._ended = threading.Condition()
        self._threads = [threading.Thread(target=self._run) for _ in range(num_clients)]
        for thread in self._threads:
            thread.start()

    def wait(self, count: int) -> None:
        """Waits until so many requests have ended.

        Args:
            count: How many.
        """
        with self._ended:
            self._ended.wait_for(lambda: len(self.outcomes) >= count)

    def stop(self) -> None:
        """Sends no more requests; running ones continue."""
        with self._ended:
            self._bodies = iter(())

    def join(self) -> list[RequestOutcome]:
        """Waits for all requests; returns their outcomes."""
        for thread in self._threads:
            thread.join()
        return self.outcomes

    def _run(self) -> None:
        with httpx.Client(
            base_url=self._url, timeout=_WAIT_S, **connection_settings(self._url)
        ) as client:
            while (body := self._next()) is not None:
                outcome = _send(client, body)
                with self._ended:
                    self.outcomes.append(outcome)
                    self._ended.notify_all()

    def _next(self) -> Mapping[str, Any] | None:
        with self._ended:
            return next(self._bodies, None)


def _send(client: httpx.Client, body: Mapping[str, Any]) -> RequestOutcome:
    fields: dict[str, Any] = {}
    started_s = time.monotonic()
    try:
        outcome = _outcome(client, body, fields, started_s)
    except (httpx.HTTPError, KeyError, ValueError) as error:
        outcome = f"LOST: {type(error).__name__}"
    total_s = time.monotonic() - started_s
    return RequestOutcome(outcome=outcome, sent_s=started_s, total_s=total_s, **fields)


def _outcome(
    client: httpx.Client, body: Mapping[str, Any], fields: dict[str, Any], started_s: float
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
            fields["version"] = values.get("system_fingerprint") or ""
            if (usage := values.get("usage")) is not None:
                fields["num_tokens"] = usage["completion_tokens"]
                fields["cached_tokens"] = (usage.get("prompt_tokens_details") or {}).get(
                    "cached_tokens", 0
                )
            for choice in values["choices"]:
                is_finished = is_finished or choice.get("finish_reason") is not None
                if choice.get("logprobs") and "first_token_s" not in fields:
                    fields["first_token_s"] = time.monotonic() - started_s
    return "LOST: cut off"


def _events(response: httpx.Response) -> Iterator[str]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ")
