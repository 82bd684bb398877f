"""Who may ask: the keys of a file, read again when the file changes."""

import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError, PaloError
from palo.security.audit_log import record
from palo.security.keys import KEY_FILE, UNKEYED, ApiKey, key_digest, read_keys

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_MAX_CHARACTERS = 512
_LARGE_BYTES = 128 << 10
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
    def requires_keys(self) -> bool:
        """Whether a request needs a key."""
        return self._ring is not None

    def authenticate(self, authorization: str | None, host: str | None) -> ApiKey:
        """Returns the key of a request; the same for all where none is asked for.

        Args:
            authorization: Its header of that name.
            host: Its header of that name. Where no key is asked for it must be loopback too, or a
                page of the web could reach us by a name of its own that leads here.

        Raises:
            APIError: If it may not ask.
        """
        if self._ring is not None:
            return self._ring.find(authorization)
        require_loopback(host, None)
        return UNKEYED

    def require_active(self, key: ApiKey) -> None:
        """Refuses to go on for a key that was good.

        Raises:
            APIError: If it was revoked meanwhile.
        """
        if self._ring is not None and not self._ring.holds(key):
            raise unknown_key_error()

    def cache_salt(self, key: ApiKey) -> str:
        """Returns what keeps cached work apart: requests of equal salts share it."""
        if self._shares_all:
            return ""
        return f"key {key.id}" if key.tenant is None else f"tenant {key.tenant}"

    @property
    def reports_cached_tokens(self) -> bool:
        """Whether hits of the cache are an owner's own, so that they may be told of them."""
        return self._ring is None or not self._shares_all


def require_loopback(host: str | None, origin: str | None) -> None:
    """Refuses what a page of the web makes a browser send to this machine.

    Args:
        host: The header of that name: whom the browser believes to talk to.
        origin: The header of that name: whose page sends it; None if it is nobody's.

    Raises:
        APIError: If one of them isn't this machine's own.
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
            APIError: If another's page sends it.
        """
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            require_loopback(headers.get("host"), headers.get("origin"))
        await self._app(scope, receive, send)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


class KeyRing:
    """Finds the key of a request.

    A file that is damaged while we run changes nothing, and the log says so; one that is gone means
    that no key is good.

    Args:
        path: The file of keys.
        clock: Seconds that only go forward.

    Raises:
        ConfigError: If the file is damaged, others may write it, or no key in it is good.
        StorageError: If it is missing or can't be read.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._stamp = self._stamp_now()
        self._keys = _good(read_keys(path))
        self._looked_s = clock()
        self._reading = threading.Lock()
        if not self._keys:
            raise ConfigError(
                "no API key is good, so nobody could ask",
                seen=path,
                fix="Add one: python jobs/keys.py add NAME",
            )

    def find(self, authorization: str | None) -> ApiKey:
        """Returns the key that a request brings.

        Args:
            authorization: Its header of that name.

        Raises:
            APIError: If it brings none, or one that isn't known or was revoked.
        """
        self._look()
        # A digest can be looked up: nobody can steer it towards one that is there, so the time
        # tells nothing, and ten thousand keys cost no more than one.
        found = self._keys.get(key_digest(_secret_of(authorization)))
        if found is None:
            raise unknown_key_error()
        return found

    def holds(self, key: ApiKey) -> bool:
        """Tells whether a key that was found before is still good."""
        self._look()
        return key.sha256 in self._keys

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:
            self._renew({})
            _LOG.error("the file of API keys is gone, no key is good now: %s", self._path)
        elif stamp.size_bytes > _LARGE_BYTES:
            # Ten thousand keys take a second: answers that are under way don't wait for it.
            threading.Thread(target=self._read, name="palo-keys", daemon=True).start()
        else:
            self._read()

    def _read(self) -> None:
        with self._reading:  # so that what was read last is what was written last
            try:
                keys = _good(read_keys(self._path))
            except PaloError as error:
                _LOG.error("the keys stay as they were: %s", error)
                return
            if self._stamp is None:  # gone meanwhile
                return
            self._renew(keys)
            _LOG.info("read the API keys again: %d are good", len(self._keys))

    def _renew(self, keys: dict[str, ApiKey]) -> None:
        for digest in keys.keys() - self._keys.keys():
            record("key_taken_up", key=keys[digest].id, key_name=keys[digest].name)
        for digest in self._keys.keys() - keys.keys():
            record("key_dropped", key=self._keys[digest].id, key_name=self._keys[digest].name)
        self._keys = keys

    def _stamp_now(self) -> "_Stamp | None":
        try:
            found = self._path.stat()
        except OSError:
            return None
        return _Stamp(found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


class _Stamp(NamedTuple):
    """What differs once a file has changed."""

    changed_ns: int
    size_bytes: int
    inode: int
    mode: int


def _good(keys: tuple[ApiKey, ...]) -> dict[str, ApiKey]:
    """Returns the keys that weren't revoked, by their digests."""
    return {key.sha256: key for key in keys if key.revoked is None}


def _secret_of(authorization: str | None) -> str:
    scheme, _, secret = (authorization or "").strip().partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise _invalid("this endpoint asks for an API key")
    if len(secret) > _MAX_CHARACTERS:
        raise unknown_key_error()
    return secret


def unknown_key_error() -> APIError:
    """Returns the answer for a key that isn't known, or not any more."""
    return _invalid("this API key isn't known, or was revoked")


def _invalid(fact: str) -> APIError:
    return APIError(
        fact,
        fix="Send a good one as `Authorization: Bearer KEY`; whoever runs the endpoint has it.",
        code=APIErrorCode.INVALID_API_KEY,
    )
