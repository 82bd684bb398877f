"""The address, key and timeouts of an OpenAI-compatible server."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from palo.endpoint.connections import connection_settings
from palo.endpoint.credentials import address_faults, authorization, key_faults
from palo.endpoint.replies import IDENTITY


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server.

    Attributes:
        url: Its address, with or without `/v1` at the end.
        api_key: API key; None if it requires none. Never printed.
        connect_s: Timeout of a connection, in seconds.
        silence_s: Longest silence before or within an answer, in seconds.
        answer_s: Longest duration of a whole answer, in seconds.
        allow_insecure_http: Allows sending the key over http:// to another machine.
    """

    url: str = "http://127.0.0.1:8000"
    api_key: str | None = field(default=None, repr=False)
    connect_s: float = 5.0
    silence_s: float = 120.0
    answer_s: float = 1800.0
    allow_insecure_http: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        yield from address_faults(self.url)
        yield from key_faults(self.url, self.api_key, allow_insecure_http=self.allow_insecure_http)
        for name in ("connect_s", "silence_s", "answer_s"):
            if getattr(self, name) <= 0:
                yield f"{name} is {getattr(self, name)} but must be positive"

    def address(self, path: str) -> str:
        """Returns the address of a path.

        Args:
            path: The path under `/v1`, as `models`.
        """
        return f"{self.url.rstrip('/').removesuffix('/v1')}/v1/{path}"

    def client_settings(self) -> dict[str, Any]:
        """Returns the arguments of httpx's clients.

        Raises:
            ConfigError: If the address is wrong, the key may not be sent there, or the
                environment's proxies or certificates can't be used.
        """
        key = authorization(self.url, self.api_key, allow_insecure_http=self.allow_insecure_http)
        return {
            "headers": IDENTITY | key,
            "timeout": httpx.Timeout(self.silence_s, connect=self.connect_s),
            **connection_settings(self.url),
        }
