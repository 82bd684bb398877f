"""Requests to a page: paths, cookies, addresses and bodies.

Gradio serves many more paths than our pages use: calls past the queue, a proxy, recordings, links
into a session's state, an editor of its own code. Paths that are not listed here don't exist for
visitors.
"""

import os
import re
from collections.abc import Iterable, Mapping
from typing import IO

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

# Python's own parsers of cookies, Starlette's too, take quadratic time for quoted values in some
# versions (CVE-2024-7592). None of our values needs quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,128}")
LANGUAGE_COOKIE = "palo_language"
_VISITOR = "palo_visitor"
_PART_BYTES = 256 << 10
LOGIN = "login"
LOGOUT = "logout"
JOIN = "gradio_api/queue/join"
EVENTS = "gradio_api/queue/data"
HEARTBEAT = "gradio_api/heartbeat/"
UPLOAD = "gradio_api/upload"
UPLOAD_PROGRESS = "gradio_api/upload_progress"
FILE = "gradio_api/file="
_ASSETS = ("assets/", "static/")
_READ = ("GET", "HEAD")
_METHODS: Mapping[str, tuple[str, ...]] = {
    "": _READ,
    LOGIN: (*_READ, "POST"),
    LOGOUT: ("POST",),
    "config": _READ,
    "theme.css": _READ,
    "favicon.ico": _READ,
    "robots.txt": _READ,
    "manifest.json": _READ,
    "gradio_api/startup-events": _READ,
    JOIN: ("POST",),
    EVENTS: ("GET",),
    UPLOAD: ("POST",),
    UPLOAD_PROGRESS: ("GET",),
}
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*_ASSETS, FILE), _READ),
    HEARTBEAT: ("GET",),
}
QUERIES: Mapping[str, tuple[str, ...]] = {
    EVENTS: ("session_hash",),
    UPLOAD: ("upload_id",),
    UPLOAD_PROGRESS: ("upload_id",),
}
"""Query parameters of paths; others are dropped."""


def path_in(scope: Scope) -> str:
    """Returns the path of a request within the page, without a slash at its beginning.

    Args:
        scope: The request.
    """
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).removeprefix("/")


def with_path(scope: Scope, path: str) -> Scope:
    """Returns a request for another path within the page.

    Args:
        scope: The request.
        path: Path within the page.
    """
    full = f"{scope.get('root_path', '')}/{path}"
    return {**scope, "path": full, "raw_path": full.encode()}


def is_asset(path: str) -> bool:
    """Tells whether a path names a file of Gradio itself.

    Args:
        path: Path within the page.
    """
    return path.startswith(_ASSETS)


def is_stream(path: str) -> bool:
    """Tells whether the answer under a path lasts for as long as a visitor stays.

    Args:
        path: Path within the page.
    """
    return path == EVENTS or path.startswith(HEARTBEAT)


def methods_of(path: str) -> tuple[str, ...]:
    """Returns the methods that the page uses a path with; none for a path that it doesn't have.

    Args:
        path: Path within the page.
    """
    for prefix, methods in _PREFIXES.items():
        if path.startswith(prefix):
            return methods
    name = path.rstrip("/")
    return _METHODS.get(name if name in (LOGIN, LOGOUT) else path, ())


def cookies_of(headers: Headers) -> dict[str, str]:
    """Returns the cookies of a request whose values are as plain as ours; of two, the first.

    Args:
        headers: Headers of the request.
    """
    found: dict[str, str] = {}
    for header in headers.getlist("cookie"):
        for part in header.split(";"):
            name, _, value = part.partition("=")
            if _PLAIN.fullmatch(value.strip()):
                found.setdefault(name.strip(), value.strip())
    return found


def visitor_cookie(scope: Scope) -> str:
    """Returns the name of the cookie with a visitor's token.

    Browsers don't tell ports apart: pages on two ports of a machine need two names. With TLS, the
    prefix keeps other hosts and plain HTTP from setting it.

    Args:
        scope: The request.
    """
    port = Headers(scope=scope).get("host", "").rpartition("]")[2].partition(":")[2]
    prefix = "__Host-" if scope.get("scheme") == "https" else ""
    return f"{prefix}{_VISITOR}_{port}" if port.isascii() and port.isdigit() else prefix + _VISITOR


def without_cookies(
    headers: Iterable[tuple[bytes, bytes]], language: str | None
) -> list[tuple[bytes, bytes]]:
    """Returns headers with the cookie of the language, and no other.

    Args:
        headers: Names and values.
        language: Value of the language's cookie; None without one.
    """
    kept = [(name, value) for name, value in headers if name.lower() != b"cookie"]
    if language is not None:
        kept.append((b"cookie", f"{LANGUAGE_COOKIE}={language}".encode()))
    return kept


def address_of(scope: Scope) -> str:
    """Returns the address that a request comes from; "" if it is unknown.

    Args:
        scope: The request, which `PublicAddress` has given its client's address.
    """
    client = scope.get("client")
    return str(client[0]) if client else ""


async def read_whole(receive: Receive, body: IO[bytes]) -> bool:
    """Reads a body into a file; returns False if its client left before the end.

    Args:
        receive: Gives the messages of the request, as ASGI defines it.
        body: The file.
    """
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return False
        body.write(message.get("body", b""))
        if not message.get("more_body", False):
            return True


def replayed(body: IO[bytes], receive: Receive) -> Receive:
    """Returns a `receive` that gives a whole body, and then the messages that follow.

    Args:
        body: The body.
        receive: Gives the messages that follow.
    """
    body.seek(0, os.SEEK_END)
    size = body.tell()
    body.seek(0)
    is_over = False

    async def replay() -> Message:
        nonlocal is_over
        if is_over:
            return await receive()
        part = body.read(_PART_BYTES)
        is_over = body.tell() == size
        return {"type": "http.request", "body": part, "more_body": not is_over}

    return replay
