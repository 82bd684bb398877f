"""Ownership: each visitor reaches their own sessions and files, and no others.

Gradio knows a session by a number that the browser makes up, and files by their paths; whoever
knows either has its contents. Here a session's number gets its visitor's id in front, so that it
names another session for everybody else, and a path is good for those who uploaded the file.
"""

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.security.audit_log import AuditThrottle
from palo.webui.request import (
    FILE,
    HEARTBEAT,
    JOIN,
    QUERIES,
    UPLOAD,
    path_in,
    replayed,
    with_path,
)
from palo.webui.visitors import Visitor, visitor_of

_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Compressed, the answer with the paths of uploads couldn't be read here. Gradio copies all headers
# of a request for part of a file into its answer.
_NOT_PASSED_ON = (b"accept-encoding", b"range", b"content-length", b"content-type")


class SessionOwnership:
    """ASGI middleware: visitors reach their own sessions and files.

    Args:
        app: The page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._throttle = AuditThrottle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        path, visitor = path_in(scope), visitor_of(scope)
        try:
            if path == JOIN:
                scope, receive = self._joining(scope, receive, visitor)
            elif path.startswith(HEARTBEAT):
                number = _own_session(path.removeprefix(HEARTBEAT), visitor)
                scope = with_path(scope, HEARTBEAT + number)
            elif path.startswith(FILE):
                self._require_own(path.removeprefix(FILE), visitor)
                scope = _without_headers(scope)
            scope = _with_own_query(scope, visitor)
        except _RefusedError as problem:
            if problem.status == 403:
                self._throttle.record("page_request_refused", login=visitor.owner, path=path)
            await PlainTextResponse(problem.fact, problem.status)(scope, receive, send)
            return
        if path == UPLOAD:
            send = _remembering(send, visitor)
            scope = _without_headers(scope, kept=(b"content-length", b"content-type"))
        await self._app(scope, receive, send)

    def _joining(
        self, scope: Scope, receive: Receive, visitor: Visitor[Any]
    ) -> tuple[Scope, Receive]:
        """Returns the call of a handler that `Quotas` has read, with the visitor's own session."""
        values = scope["state"]["call"]
        if not isinstance(values, dict):
            raise _RefusedError(400, "the request is no call")
        for file in _paths_in(values):
            self._require_own(file, visitor)
        values["session_hash"] = _own_session(values.get("session_hash"), visitor)
        try:
            body = orjson.dumps(values)
        except orjson.JSONEncodeError:
            raise _RefusedError(400, "the request is nested too deeply") from None
        scope = _without_headers(scope)
        scope["headers"] += [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        return scope, replayed(BytesIO(body), receive)

    def _require_own(self, file: object, visitor: Visitor[Any]) -> None:
        """Refuses a file that the visitor didn't upload."""
        if isinstance(file, str) and file in visitor.files:
            return
        raise _RefusedError(403, "this file isn't one of yours")


class _RefusedError(Exception):
    def __init__(self, status: int, fact: str) -> None:
        super().__init__(fact)
        self.status = status
        self.fact = fact


def _paths_in(value: Any) -> Iterator[object]:  # noqa: ANN401 - JSON
    """Yields every path of every file that JSON names, at any depth."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if one.get("path") is not None:
                yield one["path"]
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _own_session(number: object, visitor: Visitor[Any]) -> str:
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        raise _RefusedError(400, "this names no session")
    return visitor.session(number)


def _with_own_query(scope: Scope, visitor: Visitor[Any]) -> Scope:
    """Returns a request that names the visitor's session or upload, and nothing else."""
    path, given = path_in(scope), dict(parse_qsl(scope["query_string"].decode("latin-1")))
    own = {
        name: _own_session(given[name], visitor) for name in QUERIES.get(path, ()) if name in given
    }
    return {**scope, "query_string": urlencode(own).encode()}


def _without_headers(scope: Scope, kept: Sequence[bytes] = ()) -> Scope:
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name.lower() in kept or name.lower() not in _NOT_PASSED_ON
    ]
    return {**scope, "headers": headers}


def _remembering(send: Send, visitor: Visitor[Any]) -> Send:
    """Returns a `send` for the answer to an upload, which notes its files as the visitor's."""
    parts: list[bytes] = []
    is_good = False

    async def sending(message: Message) -> None:
        nonlocal is_good
        if message["type"] == "http.response.start":
            is_good = message["status"] == 200
        elif is_good:
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                for path in orjson.loads(b"".join(parts)):
                    visitor.add_file(path)
        await send(message)

    return sending
