"""Response bodies: whole completions, server-sent events of a stream, and lists of models."""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from palo.api_errors import APIError
from palo.inference.request import TokenUsage
from palo.serve.protocol.generate import Delta, TokenText

DONE = b"data: [DONE]\n\n"
"""The last event of every stream."""

KEEP_ALIVE = b": the answer is coming\n\n"
"""A comment, which clients ignore."""


def event(values: dict[str, Any]) -> bytes:
    """Returns one server-sent event.

    Args:
        values: Its JSON data.
    """
    return b"data: " + orjson.dumps(values) + b"\n\n"


class CompletionWriter:
    """Writes the completion of one request, whole or in chunks.

    Args:
        model: Name of the model.
        num_choices: Number of choices.
        with_logprobs: Whether log probabilities are included.
        with_usage: Whether a stream ends with an event of the usage.
        reports_cached: Whether usage reports cached prompt tokens; otherwise as 0.
    """

    def __init__(
        self,
        model: str,
        num_choices: int = 1,
        *,
        with_logprobs: bool = False,
        with_usage: bool = False,
        reports_cached: bool = True,
    ) -> None:
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": "",
        }
        self._with_logprobs = with_logprobs
        self._with_usage = with_usage
        self._reports_cached = reports_cached
        self._texts = [""] * num_choices
        self._tokens: list[list[TokenText]] = [[] for _ in range(num_choices)]
        self._finishes: list[str | None] = [None] * num_choices
        self._usages: list[TokenUsage] = []

    def set_version(self, version: str) -> None:
        """Sets the version, before the first delta and wherever another replica continues.

        Args:
            version: Fingerprint of the weights, for `system_fingerprint`.
        """
        self._head["system_fingerprint"] = version

    def add(self, delta: Delta) -> None:
        """Adds a delta.

        Args:
            delta: The delta.
        """
        self._texts[delta.choice] += delta.text
        self._tokens[delta.choice] += delta.tokens
        self._finishes[delta.choice] = delta.finish or self._finishes[delta.choice]
        if delta.usage is not None:
            self._usages.append(delta.usage)

    @property
    def text(self) -> str:
        """The answer so far, each choice on a line of its own."""
        return "\n".join(self._texts)

    def usage(self) -> dict[str, Any]:
        """Returns the usage of all finished choices, with the prompt counted once."""
        prompt = max((usage.prompt_tokens for usage in self._usages), default=0)
        completion = sum(usage.completion_tokens for usage in self._usages)
        # The first choice computes what the others find cached, which saves the client nothing.
        cached = min((usage.cached_tokens for usage in self._usages), default=0)
        cached *= self._reports_cached
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }

    def whole(self) -> dict[str, Any]:
        """Returns the body of a completion that isn't streamed."""
        choices = [
            {
                "index": number,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": self._logprobs(self._tokens[number]),
                "finish_reason": self._finishes[number],
            }
            for number, text in enumerate(self._texts)
        ]
        return self._head | {
            "object": "chat.completion",
            "choices": choices,
            "usage": self.usage(),
        }

    def stream_start(self) -> bytes:
        """Returns the events before the first text."""
        return b"".join(event(chunk) for chunk in self.opening())

    def stream_delta(self, delta: Delta) -> bytes:
        """Returns the events of a delta.

        Args:
            delta: The delta.
        """
        return b"".join(event(chunk) for chunk in self.chunks(delta))

    def stream_end(self) -> bytes:
        """Returns the events after the last text."""
        return (event(self.usage_chunk()) if self._with_usage else b"") + DONE

    def stream_error(self, error: APIError, request_id: str) -> bytes:
        """Returns the events of a stream that fails.

        Args:
            error: Why.
            request_id: Id of the request in the server's log.
        """
        return event(error.body(request_id)) + DONE

    def opening(self) -> list[dict[str, Any]]:
        """Returns the first chunk of each choice, with its role."""
        delta = {"role": "assistant", "content": ""}
        return [self._chunk(number, delta) for number in range(len(self._texts))]

    def chunks(self, delta: Delta) -> list[dict[str, Any]]:
        """Returns the chunks of a delta: one with new text, one with the finish reason.

        Args:
            delta: The delta.
        """
        found = []
        if delta.text or delta.tokens:
            logprobs = self._logprobs(delta.tokens)
            found.append(self._chunk(delta.choice, {"content": delta.text}, logprobs))
        if delta.finish:
            found.append(self._chunk(delta.choice, {}, None, delta.finish))
        return found

    def usage_chunk(self) -> dict[str, Any]:
        """Returns the last chunk of a stream with usage."""
        return self._head | {
            "object": "chat.completion.chunk",
            "choices": [],
            "usage": self.usage(),
        }

    def _chunk(
        self,
        number: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        finish: str | None = None,
    ) -> dict[str, Any]:
        choice = {
            "index": number,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish,
        }
        return self._head | {"object": "chat.completion.chunk", "choices": [choice]}

    def _logprobs(self, tokens: Sequence[TokenText]) -> dict[str, Any] | None:
        if not self._with_logprobs:
            return None
        entries = [
            token_body(token.data, token.logprob)
            | {"top_logprobs": [token_body(data, logprob) for data, logprob in token.top]}
            for token in tokens
        ]
        return {"content": entries, "refusal": None}


def token_body(data: bytes, logprob: float) -> dict[str, Any]:
    """Returns a token with its log probability.

    Args:
        data: Its UTF-8 bytes, maybe part of a character.
        logprob: Natural logarithm of its probability.
    """
    return {"token": data.decode("utf-8", "replace"), "bytes": list(data), "logprob": logprob}


def model_body(name: str, created: int, lineage: str | None) -> dict[str, Any]:
    """Returns the body of one model.

    Args:
        name: Its name.
        created: Unix time in seconds.
        lineage: Id of its lineage, a field of our own; None where it is unknown.
    """
    body = {"id": name, "object": "model", "created": created, "owned_by": "palo"}
    return body if lineage is None else body | {"lineage": lineage}


def models_body(names: Iterable[str], created: int, lineages: Mapping[str, str]) -> dict[str, Any]:
    """Returns the body of the list of models.

    Args:
        names: Their names.
        created: Unix time in seconds.
        lineages: Ids of their lineages, by name.
    """
    data = [model_body(name, created, lineages.get(name)) for name in names]
    return {"object": "list", "data": data}
