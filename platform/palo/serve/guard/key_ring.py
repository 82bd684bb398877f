"""Who may ask: the keys of a file, read again when the file changes."""

import hmac
import logging
import time
from collections.abc import Callable
from pathlib import Path

from palo.errors import ConfigError, PaloError
from palo.serve.guard.key_file import read_keys
from palo.serve.guard.keys import ApiKey, digest_of
from palo.serve.refusal_codes import Refusal, RefusalCode

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_MAX_CHARACTERS = 512


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
        secret = _secret_of(authorization)
        digest, found = digest_of(secret), None
        for (
            key
        ) in self._keys:  # all of them, each in constant time: nothing to be learnt by waiting
            if hmac.compare_digest(key.sha256, digest):
                found = key
        if found is None:
            raise _invalid("this API key isn't known, or was revoked")
        return found

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
            self._keys = ()
            _LOG.error("the file of API keys is gone, no key is good now: %s", self._path)
            return
        try:
            self._keys = _good(read_keys(self._path))
        except PaloError as error:
            _LOG.error("the keys stay as they were: %s", error)
        else:
            _LOG.info("read the API keys again: %d are good", len(self._keys))

    def _stamp_now(self) -> tuple[int, int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode


def _good(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    return tuple(key for key in keys if key.revoked is None)


def _secret_of(authorization: str | None) -> str:
    scheme, _, secret = (authorization or "").strip().partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise _invalid("this endpoint asks for an API key")
    if len(secret) > _MAX_CHARACTERS:
        raise _invalid("this API key isn't known, or was revoked")
    return secret


def _invalid(fact: str) -> Refusal:
    return Refusal(
        fact,
        fix="Send a good one as `Authorization: Bearer KEY`; whoever runs the endpoint has it.",
        code=RefusalCode.INVALID_API_KEY,
    )
