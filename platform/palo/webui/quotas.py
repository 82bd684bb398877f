"""Keeps visitors of a page within their quotas, so that none of them takes it from the others."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import parse_qsl

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode
from palo.security.http_limits import BodyLimit
from palo.webui.paths import error_response
from palo.webui.request import (
    EVENTS,
    HEARTBEAT,
    JOIN,
    UPLOAD,
    UPLOAD_PROGRESS,
    path_in,
    read_whole,
    replayed,
)
from palo.webui.usage import FairCache, QuotaSettings, RequestKind, UsageLimits
from palo.webui.visitors import visitor_of

_STREAMS = (EVENTS, UPLOAD_PROGRESS, HEARTBEAT)
# Larger bodies wait on disk, in a file without a name, until they are whole.
_IN_MEMORY_BYTES = 1 << 20
_MAX_SESSION_NAME = 200


class Quotas:
    """ASGI middleware around a page of Gradio.

    A body reaches Gradio only when it is whole: of an upload that breaks off, Gradio would leave a
    file behind that nothing deletes.

    Args:
        app: The page, behind authentication.
        settings: How much one visitor may use, and all of them together.
        name_of: Names the visitor of a request.
        max_file_bytes: Largest file that can be uploaded.
        forget_session: Frees the memory of an open page.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: QuotaSettings,
        *,
        name_of: Callable[[Scope], str],
        max_file_bytes: int,
        forget_session: Callable[[str], None],
    ) -> None:
        self._app = app
        self._name_of = name_of
        self._forget_session = forget_session
        self._usage = UsageLimits(settings)
        self._bodies = BodyLimit(self._call, settings.bodies)
        self._uploads = BodyLimit(self._upload, settings.uploads_of(max_file_bytes))
        self._sessions = FairCache(
            max_entries=settings.sessions,
            max_size=settings.sessions,
            max_total_size=settings.all_sessions,
        )
        self._files = FairCache(
            max_entries=settings.files,
            max_size=settings.file_bytes,
            max_total_size=settings.all_file_bytes,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kind = _kind_of(scope)
        handle = {RequestKind.CALL: self._bodies, RequestKind.UPLOAD: self._uploads}.get(
            kind, self._app
        )
        try:
            with self._usage.admitted(self._name_of(scope), kind, _session_read(scope)):
                await handle(scope, receive, send)
        except APIError as refusal:  # always before the page has begun to answer
            response = error_response(refusal, scope)
            await response(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        with SpooledTemporaryFile(_IN_MEMORY_BYTES) as body:
            if not await read_whole(receive, body):
                return
            if path_in(scope) == JOIN:
                call = _call_in(body)
                # For `SessionOwnership`, so that no body is parsed twice.
                scope = {**scope, "state": {**scope.get("state", {}), "call": call}}
                self._count_session(scope, _session_of(call))
            await self._app(scope, replayed(body, receive), send)

    def _count_session(self, scope: Scope, number: str) -> None:
        if not number:
            return
        visitor, session = self._name_of(scope), visitor_of(scope).session(number)
        self._usage.require_reader(visitor, session)
        for old in self._sessions.keep(visitor, session, 1):
            self._forget_session(old)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send)
        with SpooledTemporaryFile(_IN_MEMORY_BYTES) as body:
            if not await read_whole(receive, body):
                return
            await self._app(scope, replayed(body, receive), answer.send)
        # Only now, since Gradio moves some of the files when it has answered.
        visitor = self._name_of(scope)
        for path in answer.paths():
            with contextlib.suppress(FileNotFoundError):
                for old in self._files.keep(visitor, path, os.stat(path).st_size):
                    _delete(Path(old))


class _Answer:
    """Sends the answer to an upload, and reads which files it made."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_good = False
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_good = message["status"] == 200
        elif self._is_good:
            self._body += message.get("body", b"")
        await self._send(message)

    def paths(self) -> list[str]:
        return list(map(str, orjson.loads(self._body))) if self._is_good else []


def _kind_of(scope: Scope) -> RequestKind:
    path = path_in(scope)
    if scope["method"] in ("GET", "HEAD"):
        return RequestKind.STREAM if path.startswith(_STREAMS) else RequestKind.READ
    return RequestKind.UPLOAD if path == UPLOAD else RequestKind.CALL


def _session_read(scope: Scope) -> str:
    """Returns the open page that reads its events by a request; "" if it doesn't."""
    if path_in(scope) != EVENTS:
        return ""
    number = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("session_hash")
    return visitor_of(scope).session(number) if number else ""


def _call_in(body: IO[bytes]) -> object:
    """Returns the JSON of a call.

    Raises:
        APIError: If it is no JSON: Gradio's parser takes more, and could read another session.
    """
    body.seek(0)
    try:
        return orjson.loads(body.read() or b"{}")
    except orjson.JSONDecodeError:
        raise APIError("the body is no JSON", code=APIErrorCode.INVALID_REQUEST) from None


def _session_of(call: object) -> str:
    """Returns the number of the open page that a call comes from; "" if it names none.

    Raises:
        APIError: If it can't be one.
    """
    session = call.get("session_hash", "") if isinstance(call, dict) else ""
    if not isinstance(session, str) or len(session) > _MAX_SESSION_NAME:
        raise APIError(
            "this names no session", param="session_hash", code=APIErrorCode.INVALID_REQUEST
        )
    return session


def _delete(path: Path) -> None:
    """Deletes an uploaded file, and its folder if nothing else is in it."""
    with contextlib.suppress(OSError):
        path.unlink()
        path.parent.rmdir()
