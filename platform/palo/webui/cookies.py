"""Cookies of the page: read in linear time, and no others are passed on.

Python's own parsers, Starlette's too, take quadratic time for quoted values in some versions
(CVE-2024-7592). None of our values needs quotes.
"""

import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import Scope

LANGUAGE_COOKIE = "palo_language"
_VISITOR = "palo_visitor"
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def cookies_of(headers: Headers) -> dict[str, str]:
    """Returns the cookies of a request whose values are as plain as ours; of two, the first."""
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
    """
    port = Headers(scope=scope).get("host", "").rpartition("]")[2].partition(":")[2]
    prefix = "__Host-" if scope.get("scheme") == "https" else ""
    return f"{prefix}{_VISITOR}_{port}" if port.isascii() and port.isdigit() else prefix + _VISITOR


def without_cookies(
    headers: Iterable[tuple[bytes, bytes]], language: str | None
) -> list[tuple[bytes, bytes]]:
    """Returns headers with the cookie of the language, and no other."""
    kept = [(name, value) for name, value in headers if name.lower() != b"cookie"]
    if language is not None:
        kept.append((b"cookie", f"{LANGUAGE_COOKIE}={language}".encode()))
    return kept
