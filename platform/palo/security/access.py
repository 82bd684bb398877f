"""Authentication: by API keys, or by loopback where no keys are required."""

import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError, PaloError, StorageError
from palo.security.audit_log import record
from palo.security.forwarded import ProxySettings
from palo.security.keys import KEY_FILE, UNKEYED, ApiKey, key_digest, read_keys
from palo.storage import S3Path

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_MAX_CHARACTERS = 512
_LARGE_BYTES = 128 << 10
_NAMES = ("localhost", "ip6-localhost")
_Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessSettings:
    """Listening address and authentication.

    Attributes:
        host: Address to listen on; loopback by default.
        key_file: File of API keys.
        no_keys: Requires no API keys. Then the host must be loopback.
        may_lack_keys: Starts without a valid key, too, and refuses all until there is one.
        num_ingresses: Ingress processes. Each grants an equal part of a key's limits, at least one
            request, so that a limit below their number isn't kept.
        proxy: The reverse proxy in front of it, if there is one.
        cache_sharing: Which requests share cached prompts and images. "key": those of one key, and
            of its tenant. "all": all of them, which saves work where many keys ask about the same;
            then a key can find out by timing what others have asked.
    """

    host: str = "127.0.0.1"
    key_file: Path = KEY_FILE
    no_keys: bool = False
    may_lack_keys: bool = False
    num_ingresses: int = 1
    proxy: ProxySettings = field(default_factory=ProxySettings)
    cache_sharing: Literal["key", "all"] = "key"

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if self.no_keys and not is_loopback(self.host):
            yield (
                f"no_keys needs a loopback host like 127.0.0.1, not {self.host!r}: "
                "everybody who reaches it could use it"
            )
        if self.no_keys and self.proxy.public_url:
            yield "no_keys serves this machine alone, so it has no proxy.public_url: ask for keys"
        if self.num_ingresses < 1:
            yield f"num_ingresses must be at least 1, not {self.num_ingresses}"


def is_loopback(host: str) -> bool:
    """Returns whether a host is this machine's loopback.

    Args:
        host: A name or an address, without a port.
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in _NAMES


class Access:
    """Authenticates requests.

    Args:
        settings: Listening address and authentication.

    Raises:
        ConfigError: If keys are required and none is valid; see `KeyRing`.
        StorageError: If the file of keys can't be read.
    """

    def __init__(self, settings: AccessSettings) -> None:
        lacks = settings.may_lack_keys
        self._ring = None if settings.no_keys else KeyRing(settings.key_file, may_lack_keys=lacks)
        self._shares_all = settings.no_keys or settings.cache_sharing == "all"

    @property
    def requires_keys(self) -> bool:
        """Whether a request needs a key."""
        return self._ring is not None

    def authenticate(self, authorization: str | None, host: str | None) -> ApiKey:
        """Returns the key of a request, or `UNKEYED` where none is required.

        Args:
            authorization: The Authorization header.
            host: The Host header. Without keys it must be loopback too; otherwise a web page could
                reach the endpoint through a DNS name that resolves to loopback.

        Raises:
            APIError: If the request isn't authorized.
        """
        if self._ring is not None:
            return self._ring.find(authorization)
        require_loopback(host, None)
        return UNKEYED

    def require_active(self, key: ApiKey) -> None:
        """Checks a key again, while its answer is generated.

        Args:
            key: A key that was valid.

        Raises:
            APIError: If it was revoked since.
        """
        if self._ring is not None and not self._ring.holds(key):
            raise unknown_key_error()

    def cache_salt(self, key: ApiKey) -> str:
        """Returns the cache salt of a key's requests; equal salts share cached work.

        Args:
            key: The key.
        """
        if self._shares_all:
            return ""
        return f"key {key.id}" if key.tenant is None else f"tenant {key.tenant}"

    @property
    def reports_cached_tokens(self) -> bool:
        """Whether cached tokens are an owner's own, so that they may be reported."""
        return self._ring is None or not self._shares_all


def require_loopback(host: str | None, origin: str | None) -> None:
    """Rejects requests that a web page makes a browser send to this machine.

    Args:
        host: The Host header.
        origin: The Origin header; None if there is none.

    Raises:
        APIError: If one of them isn't loopback.
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
    """ASGI middleware for an endpoint without keys: it rejects requests of web pages.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection.

        Raises:
            APIError: If another site's page sends it.
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
    """The valid keys of a file, which is read again when it changes.

    A file that is damaged later changes nothing but the log, and so does a store that is away; a
    deleted file invalidates all keys.

    Args:
        path: The file of keys.
        clock: Monotonic clock, in seconds.
        may_lack_keys: Whether there may be no valid key yet, nor a file.

    Raises:
        ConfigError: If the file is damaged, others may write it, or no key in it is valid.
        StorageError: If it is missing or can't be read.
    """

    def __init__(
        self, path: Path, clock: _Clock = time.monotonic, *, may_lack_keys: bool = False
    ) -> None:
        self._path = path
        self._clock = clock
        self._stamp = self._stamp_now()
        is_awaited = may_lack_keys and self._stamp is None
        self._keys = {} if is_awaited else _valid_keys(read_keys(path))
        self._looked_s = clock()
        self._read_lock = threading.Lock()
        self._look_lock = threading.Lock()
        if not self._keys and not may_lack_keys:
            raise ConfigError(
                "no API key is valid, so every request would be rejected",
                seen=path,
                fix="Add one: python jobs/keys.py add NAME",
            )

    def find(self, authorization: str | None) -> ApiKey:
        """Returns the key of a request.

        Args:
            authorization: The Authorization header.

        Raises:
            APIError: If there is none, or it is unknown or revoked.
        """
        self._look()
        # A dictionary of digests reveals nothing by timing, since nobody can choose a digest close
        # to an existing one, and ten thousand keys cost no more than one.
        found = self._keys.get(key_digest(_secret_of(authorization)))
        if found is None:
            raise unknown_key_error()
        return found

    def holds(self, key: ApiKey) -> bool:
        """Returns whether a key is still valid.

        Args:
            key: A key that `find` returned.
        """
        self._look()
        return key.sha256 in self._keys

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now
        if isinstance(self._path, S3Path):
            # A store may take its time, and running answers must not wait for it.
            threading.Thread(target=self._look_in_store, name="palo-keys", daemon=True).start()
        else:
            self._follow(self._stamp_now())

    def _look_in_store(self) -> None:
        if not self._look_lock.acquire(blocking=False):  # the look before hasn't ended
            return
        try:
            self._follow(self._stamp_now())
        except StorageError as error:
            _LOG.error("the keys stay as they were: %s", error)
        finally:
            self._look_lock.release()

    def _follow(self, stamp: "_Stamp | None") -> None:
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:
            self._renew({})
            _LOG.error("the file of API keys is gone, no key is good now: %s", self._path)
        elif stamp.size_bytes > _LARGE_BYTES:
            # In a thread: ten thousand keys take a second, and running answers must not wait.
            threading.Thread(target=self._read, name="palo-keys", daemon=True).start()
        else:
            self._read()

    def _read(self) -> None:
        with self._read_lock:  # so that the newest version of the file is kept
            try:
                keys = _valid_keys(read_keys(self._path))
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
    """File attributes that change with its content."""

    changed_ns: int
    size_bytes: int
    inode: int
    mode: int


def _valid_keys(keys: tuple[ApiKey, ...]) -> dict[str, ApiKey]:
    """Returns the keys that aren't revoked, by their digests."""
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
    """Returns the error for an unknown or revoked key."""
    return _invalid("this API key isn't known, or was revoked")


def _invalid(fact: str) -> APIError:
    return APIError(
        fact,
        fix="Send a valid one as `Authorization: Bearer KEY`; the endpoint's operator has it.",
        code=APIErrorCode.INVALID_API_KEY,
    )
