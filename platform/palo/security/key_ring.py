"""Who may ask: the keys of a file, read again when the file changes."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError, PaloError
from palo.security.audit_log import record
from palo.security.key_file import read_keys
from palo.security.keys import ApiKey, digest_of

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_MAX_CHARACTERS = 512
_LARGE_BYTES = 128 << 10


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
            Refusal: If it brings none, or one that isn't known or was revoked.
        """
        self._look()
        # A digest can be looked up: nobody can steer it towards one that is there, so the time
        # tells nothing, and ten thousand keys cost no more than one.
        found = self._keys.get(digest_of(_secret_of(authorization)))
        if found is None:
            raise unknown_key()
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
        raise unknown_key()
    return secret


def unknown_key() -> APIError:
    """Returns the answer for a key that isn't known, or not any more."""
    return _invalid("this API key isn't known, or was revoked")


def _invalid(fact: str) -> APIError:
    return APIError(
        fact,
        fix="Send a good one as `Authorization: Bearer KEY`; whoever runs the endpoint has it.",
        code=APIErrorCode.INVALID_API_KEY,
    )
