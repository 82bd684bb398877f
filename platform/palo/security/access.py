"""Who may reach the endpoint, decided by where it listens and by keys."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode
from palo.security.key_file import KEY_FILE
from palo.security.key_ring import KeyRing, unknown_key
from palo.security.keys import UNKEYED, ApiKey

_NAMES = ("localhost", "ip6-localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessSettings:
    """Where the endpoint listens and who may ask.

    Attributes:
        host: Address to listen on; only this machine's own by default.
        key_file: File of API keys.
        no_keys: Asks nobody for a key. Then it must listen on loopback.
        num_ingresses: Processes that let requests in. Each grants an equal part of a key's limits,
            at least one request: a limit that is smaller than their number isn't kept.
        cache_sharing: Who shares what is cached of prompts and images. "key": a key with itself and
            those of its tenant. "all": everybody, which saves work where many keys ask about the
            same; then a key can learn by time what others have asked.
    """

    host: str = "127.0.0.1"
    key_file: Path = KEY_FILE
    no_keys: bool = False
    num_ingresses: int = 1
    cache_sharing: Literal["key", "all"] = "key"

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if self.no_keys and not is_loopback(self.host):
            yield (
                f"no_keys needs a loopback host like 127.0.0.1, not {self.host!r}: "
                "everybody who reaches it could ask"
            )
        if self.num_ingresses < 1:
            yield f"num_ingresses must be at least 1, not {self.num_ingresses}"


def is_loopback(host: str) -> bool:
    """Tells whether a host is this machine itself, reached from nowhere else."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in _NAMES


class Access:
    """Finds out who asks.

    Args:
        settings: Where the endpoint listens and who may ask.

    Raises:
        ConfigError: If keys are asked for and none is good; see `KeyRing`.
        StorageError: If the file of keys can't be read.
    """

    def __init__(self, settings: AccessSettings) -> None:
        self._ring = None if settings.no_keys else KeyRing(settings.key_file)
        self._shares_all = settings.no_keys or settings.cache_sharing == "all"

    @property
    def asks_for_keys(self) -> bool:
        """Whether a request needs a key."""
        return self._ring is not None

    def of(self, authorization: str | None, host: str | None) -> ApiKey:
        """Returns the key of a request; the same for all where none is asked for.

        Args:
            authorization: Its header of that name.
            host: Its header of that name. Where no key is asked for it must be loopback too, or a
                page of the web could reach us by a name of its own that leads here.

        Raises:
            Refusal: If it may not ask.
        """
        if self._ring is not None:
            return self._ring.find(authorization)
        require_loopback(host, None)
        return UNKEYED

    def require_still(self, key: ApiKey) -> None:
        """Refuses to go on for a key that was good.

        Raises:
            Refusal: If it was revoked meanwhile.
        """
        if self._ring is not None and not self._ring.holds(key):
            raise unknown_key()

    def cache_salt(self, key: ApiKey) -> str:
        """Returns what keeps cached work apart: requests of equal salts share it."""
        if self._shares_all:
            return ""
        return f"key {key.id}" if key.tenant is None else f"tenant {key.tenant}"

    @property
    def tells_cached_tokens(self) -> bool:
        """Whether hits of the cache are an owner's own, so that they may be told of them."""
        return self._ring is None or not self._shares_all


def require_loopback(host: str | None, origin: str | None) -> None:
    """Refuses what a page of the web makes a browser send to this machine.

    Args:
        host: The header of that name: whom the browser believes to talk to.
        origin: The header of that name: whose page sends it; None if it is nobody's.

    Raises:
        Refusal: If one of them isn't this machine's own.
    """
    sender = "" if origin is None else origin.partition("://")[2]
    for place in (host or "", *([sender] if origin is not None else [])):
        if not is_loopback(_without_port(place)):
            raise APIError(
                "without API keys this endpoint answers on its own address only",
                seen=place[:80],
                fix="Use http://127.0.0.1 or http://localhost, or start it with keys.",
                code=APIErrorCode.INVALID_API_KEY,
            )


class LoopbackOnly:
    """ASGI middleware for an endpoint without keys: only this machine's own pages may ask.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection.

        Raises:
            Refusal: If another's page sends it.
        """
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            require_loopback(headers.get("host"), headers.get("origin"))
        await self._app(scope, receive, send)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
