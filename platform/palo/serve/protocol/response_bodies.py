"""Answers of OpenAI's Responses API: whole bodies, and the events of a stream."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import orjson

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import TokenUsage
from palo.serve.protocol.bodies import token_body
from palo.serve.protocol.generate import Delta, TokenText
from palo.serve.protocol.responses_request import ResponsesRequest

# The codes that OpenAI has for a response that failed; ours is in the event of the error.
_CODES = {APIErrorCode.RATE_LIMIT_EXCEEDED: "rate_limit_exceeded"}
_SERVER_ERROR = "server_error"
_PLACE = {"output_index": 0, "content_index": 0}


class ResponseWriter:
    """Writes the response to one request, whole or in events.

    Args:
        request: The request.
        reports_cached: Whether usage reports cached prompt tokens; otherwise as 0.
    """

    def __init__(self, request: ResponsesRequest, *, reports_cached: bool) -> None:
        self._request = request
        self._reports_cached = reports_cached
        self._id = f"resp_{secrets.token_hex(24)}"
        self._item_id = f"msg_{secrets.token_hex(24)}"
        self._created = int(time.time())
        self._text = ""
        self._tokens: list[TokenText] = []
        self._finish: str | None = None
        self._usage: TokenUsage | None = None
        self._num_events = 0

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._text

    def set_version(self, version: str) -> None:
        """Ignores the version, which this API has no field for.

        Args:
            version: Fingerprint of the weights.
        """

    def add(self, delta: Delta) -> None:
        """Adds a delta.

        Args:
            delta: The delta.
        """
        self._text += delta.text
        self._tokens += delta.tokens
        self._finish = delta.finish or self._finish
        self._usage = delta.usage or self._usage

    def whole(self) -> dict[str, Any]:
        """Returns the body of a response that isn't streamed."""
        status = "incomplete" if self._finish == "length" else "completed"
        return self._body(status, [self._item(status, [self._part()])])

    def stream_start(self) -> bytes:
        """Returns the events before the first text."""
        response = self._body("in_progress", [])
        item = self._item("in_progress", [])
        empty = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        return b"".join(
            (
                self._event("response.created", response=response),
                self._event("response.in_progress", response=response),
                self._event("response.output_item.added", output_index=0, item=item),
                self._event(
                    "response.content_part.added", item_id=self._item_id, **_PLACE, part=empty
                ),
            )
        )

    def stream_delta(self, delta: Delta) -> bytes:
        """Returns the event of a delta; b"" for one without text.

        Args:
            delta: The delta.
        """
        if not delta.text and not delta.tokens:
            return b""
        return self._event(
            "response.output_text.delta",
            item_id=self._item_id,
            **_PLACE,
            delta=delta.text,
            logprobs=self._logprobs(delta.tokens),
        )

    def stream_end(self) -> bytes:
        """Returns the events after the last text."""
        body, part = self.whole(), self._part()
        text = {"text": part["text"], "logprobs": part["logprobs"]}
        return b"".join(
            (
                self._event("response.output_text.done", item_id=self._item_id, **_PLACE, **text),
                self._event(
                    "response.content_part.done", item_id=self._item_id, **_PLACE, part=part
                ),
                self._event("response.output_item.done", output_index=0, item=body["output"][0]),
                self._event(f"response.{body['status']}", response=body),
            )
        )

    def stream_error(self, error: APIError, request_id: str) -> bytes:
        """Returns the events of a stream that fails.

        Args:
            error: Why.
            request_id: Id of the request in the server's log.
        """
        fields = error.body(request_id)["error"]
        code = _CODES.get(error.code, _SERVER_ERROR)
        failed = self._body("failed", []) | {"error": {"code": code, "message": error.message}}
        return b"".join(
            (
                # Older clients read the fields themselves, newer ones read the object.
                self._event(
                    "error",
                    code=fields["code"],
                    message=fields["message"],
                    param=fields["param"],
                    error=fields,
                ),
                self._event("response.failed", response=failed),
            )
        )

    def _event(self, kind: str, **values: Any) -> bytes:  # noqa: ANN401 - JSON
        data = {"type": kind, "sequence_number": self._num_events, **values}
        self._num_events += 1
        return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"

    def _item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._item_id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _part(self) -> dict[str, Any]:
        logprobs = self._logprobs(self._tokens)
        return {
            "type": "output_text",
            "annotations": [],
            "logprobs": logprobs,
            "text": self._text,
        }

    def _logprobs(self, tokens: Sequence[TokenText]) -> list[dict[str, Any]]:
        if not self._request.wants_logprobs:
            return []
        return [
            token_body(token.data, token.logprob)
            | {"top_logprobs": [token_body(data, logprob) for data, logprob in token.top]}
            for token in tokens
        ]

    def _body(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        request = self._request
        is_cut = status == "incomplete"
        is_over = status in ("completed", "incomplete")
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "model": request.model,
            "output": output,
            "usage": self._usage_body() if is_over else None,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
            "metadata": request.metadata or {},
            "temperature": request.temperature or 0.0,
            "top_p": 1.0 if request.top_p is None else request.top_p,
            "top_logprobs": request.top_logprobs or 0,
            "text": {"format": {"type": "text"}},
            "truncation": "disabled",
            "reasoning": {"effort": None, "summary": None},
            "tools": [],
            "tool_choice": "none",
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "background": False,
            "store": False,
        }

    def _usage_body(self) -> dict[str, Any]:
        usage = self._usage
        prompt = usage.prompt_tokens if usage else 0
        answer = usage.completion_tokens if usage else 0
        cached = usage.cached_tokens if usage and self._reports_cached else 0
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": answer,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + answer,
        }
