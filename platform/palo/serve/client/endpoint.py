"""Where a server is, and how long one waits for it."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A server that speaks OpenAI's protocol.

    Attributes:
        url: Its address, with or without `/v1` at the end.
        api_key: The key that it asks for; None if it asks for none. Never printed.
        connect_s: Seconds that a connection may take.
        silence_s: Seconds for which an answer may stand still, its beginning included.
    """

    url: str = "http://127.0.0.1:8000"
    api_key: str | None = field(default=None, repr=False)
    connect_s: float = 5.0
    silence_s: float = 120.0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield f"url is {self.url!r} but must be as http://127.0.0.1:8000"
        for name in ("connect_s", "silence_s"):
            if getattr(self, name) <= 0:
                yield f"{name} is {getattr(self, name)} but must be positive"

    def address(self, path: str) -> str:
        """Returns the full address of a path below `/v1`, as `models`."""
        return f"{self.url.rstrip('/').removesuffix('/v1')}/v1/{path}"

    def client_settings(self) -> dict[str, Any]:
        """Returns what httpx's clients are made with."""
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return {
            "headers": headers,
            "timeout": httpx.Timeout(self.silence_s, connect=self.connect_s),
            # A proxy of the environment is meant for other machines.
            "trust_env": not _is_loopback(urlsplit(self.url).hostname or ""),
        }


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
