"""API keys and the file that stores their digests, which several processes may change at once.

A key is 256 random bits, so that a plain SHA-256 digest is enough: nobody can try out that many
keys, and a slow hash, which protects weak passwords, would only let strangers waste CPU time.
"""

import fcntl
import hashlib
import json
import random
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from palo import config, storage
from palo.errors import ConfigError, StorageError
from palo.security.audit_log import record
from palo.storage import S3Path
from palo.storage.conditional import read_versioned, write_if

_PREFIX = "sk-palo-"
_SECRET_BYTES = 32
_ID_BYTES = 4
_MAX_NAME = 64
_DIGEST_CHARACTERS = 64
KEY_FILE = Path("runs/keys.json")
"""The default file of keys."""
_ADD = "Add a key: python jobs/keys.py add NAME"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
# In a store: whoever changes the keys reads them, and writes unless somebody else did.
_MOST_ATTEMPTS = 20
_PAUSE_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyLimits:
    """Rate limits of a key; None for no limit.

    Attributes:
        requests_per_minute: Requests; a minute's worth may come at once.
        tokens_per_minute: Tokens of prompts and answers together. A request is admitted while any
            are left; tokens that it takes beyond the limit are owed.
        concurrent: Most requests at once.
    """

    requests_per_minute: int | None = 600
    tokens_per_minute: int | None = 600_000
    concurrent: int | None = 64

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is out of range."""
        for name in ("requests_per_minute", "tokens_per_minute", "concurrent"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{name} must be at least 1, or none, not {value}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """The stored record of a key, without the key itself.

    Attributes:
        id: Identifies it in lists and logs; no secret.
        name: The person or program that it is for.
        sha256: Digest of the key, in hexadecimal.
        created: Time of its creation, in UTC.
        limits: Its rate limits.
        revoked: Time of its revocation, in UTC; None while it is valid.
        tenant: Team whose keys share cached work; None to share with no other key.
    """

    id: str
    name: str
    sha256: str
    created: str
    limits: KeyLimits = field(default_factory=KeyLimits)
    revoked: str | None = None
    tenant: str | None = None

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        yield from name_faults(self.name)
        if self.tenant is not None:
            yield from name_faults(self.tenant, "tenant")
        if len(self.sha256) != _DIGEST_CHARACTERS or set(self.sha256) - set("0123456789abcdef"):
            yield f"sha256 of key {self.id!r} is no SHA-256 in lower-case hexadecimal"


def name_faults(name: str, what: str = "name") -> Iterator[str]:
    """Yields the faults of a key's or tenant's name.

    Args:
        name: The name.
        what: Its field, for the message.
    """
    if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        yield f"a key's {what} has from 1 to {_MAX_NAME} printable characters, not {name!r}"


def new_secret() -> str:
    """Returns a new random key."""
    return _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def new_id() -> str:
    """Returns a new random id, unrelated to its key."""
    return secrets.token_hex(_ID_BYTES)


def key_digest(secret: str) -> str:
    """Returns the SHA-256 digest of a key, in hexadecimal.

    Args:
        secret: The key.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


UNKEYED = ApiKey(
    id="unkeyed",
    name="anybody on this machine",
    sha256="0" * _DIGEST_CHARACTERS,
    created="",
    limits=KeyLimits(requests_per_minute=None, tokens_per_minute=None, concurrent=None),
)
"""The key of all requests where no keys are required."""


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Reads all keys, including revoked ones.

    Args:
        path: The file.

    Raises:
        ConfigError: If the file is damaged, or others may write it.
        StorageError: If it is missing or can't be read.
    """
    with storage.wrap_os_errors("read", path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise StorageError("there are no API keys yet", seen=path, fix=f"{_ADD}.") from None
    if mode & _OTHERS_WRITE and not isinstance(
        path, S3Path
    ):  # a writer could add a key; a reader learns none
        raise ConfigError(
            "others may write the file of API keys",
            seen=f"{path} has mode {stat.S_IMODE(mode):o}",
            fix=f"Run: chmod 600 {path}",
        )
    return _parsed(storage.read_json(path), path)


def _parsed(values: object, path: Path) -> tuple[ApiKey, ...]:
    if not isinstance(values, dict) or not isinstance(values.get("keys"), list):
        raise ConfigError("this is no file of API keys", seen=path, fix=f"Move it away. {_ADD}.")
    keys = tuple(config.from_dict(ApiKey, entry) for entry in values["keys"])
    config.check(keys)
    return keys


def add_key(
    path: Path, name: str, limits: KeyLimits | None = None, tenant: str | None = None
) -> tuple[str, ApiKey]:
    """Creates a key and stores its digest, creating the file if needed.

    Args:
        path: The file.
        name: The person or program that it is for.
        limits: Its rate limits.
        tenant: See `ApiKey`.

    Returns:
        The key itself, which is stored nowhere, and its record.

    Raises:
        ConfigError: If the name or a limit is out of range, or the file is damaged.
        StorageError: If the file can't be read or written.
    """
    secret, key = _new_key(name, limits, tenant)
    _change(path, lambda keys: [*keys, key])
    _record("key_added", key, path)
    return secret, key


def renew_key(path: Path, name: str, limits: KeyLimits | None = None) -> tuple[str, ApiKey]:
    """Replaces all keys of a name by a new one, for programs that need one at each start.

    Args:
        path: The file.
        name: The program that it is for.
        limits: Its rate limits.

    Returns:
        See `add_key`.

    Raises:
        ConfigError: See `add_key`.
        StorageError: See `add_key`.
    """
    secret, key = _new_key(name, limits)
    _change(path, lambda keys: [*(old for old in keys if old.name != name), key])
    _record("key_renewed", key, path)
    return secret, key


def revoke_key(path: Path, key_id: str) -> ApiKey:
    """Revokes a key permanently; running servers reject it within a second.

    Args:
        path: The file.
        key_id: Id of the key.

    Returns:
        The revoked key's record.

    Raises:
        ConfigError: If there is no such key, or the file is damaged.
        StorageError: If the file can't be read or written.
    """
    found: dict[str, ApiKey] = {}

    def revoke(keys: Sequence[ApiKey]) -> list[ApiKey]:
        if key_id not in {key.id for key in keys}:
            ids = ", ".join(key.id for key in keys)
            raise ConfigError("there is no such key", seen=key_id, fix=f"Their ids are: {ids}.")
        changed = [
            replace(key, revoked=key.revoked or _now()) if key.id == key_id else key for key in keys
        ]
        found.update((key.id, key) for key in changed)
        return changed

    _change(path, revoke)
    _record("key_revoked", found[key_id], path)
    return found[key_id]


def _new_key(name: str, limits: KeyLimits | None, tenant: str | None = None) -> tuple[str, ApiKey]:
    limits = limits or KeyLimits()
    for fault in name_faults(name):
        raise ConfigError(fault, fix="Name the person or program that the key is for.")
    for fault in () if tenant is None else name_faults(tenant, "tenant"):
        raise ConfigError(fault, fix="Name the team whose keys share cached work.")
    config.check(limits)
    secret = new_secret()
    return secret, ApiKey(
        id=new_id(),
        name=name,
        sha256=key_digest(secret),
        created=_now(),
        limits=limits,
        tenant=tenant,
    )


def _record(event: str, key: ApiKey, path: Path) -> None:
    record(event, key=key.id, key_name=key.name, tenant=key.tenant, file=path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _change(path: Path, change: Callable[[Sequence[ApiKey]], Sequence[ApiKey]]) -> None:
    """Replaces all keys by what becomes of them, whoever else changes them at the same time."""
    if isinstance(path, S3Path):
        _change_in_store(path, change)
        return
    lock = path.with_name(f".{path.name}.lock")
    with storage.wrap_os_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("a") as held:
            lock.chmod(0o600)
            fcntl.flock(held, fcntl.LOCK_EX)
            keys = change(read_keys(path) if path.exists() else ())
            with storage.replacing(path, private=True) as partial:
                partial.write_text(_text_of(keys), encoding="utf-8")


def _change_in_store(path: S3Path, change: Callable[[Sequence[ApiKey]], Sequence[ApiKey]]) -> None:
    for attempt in range(_MOST_ATTEMPTS):
        found = read_versioned(path)
        keys = () if found is None else _parsed(_json_of(found.data, path), path)
        version = None if found is None else found.version
        if write_if(path, _text_of(change(keys)).encode(), version):
            return
        time.sleep(random.uniform(0, _PAUSE_S * (attempt + 1)))  # noqa: S311
    raise StorageError(
        "the keys are being changed by others all the time",
        seen=f"{path}, {_MOST_ATTEMPTS} attempts",
        fix="Nothing was changed. Run the command again.",
    )


def _json_of(data: bytes, path: Path) -> object:
    try:
        return json.loads(data)
    except ValueError as error:
        raise ConfigError(
            "this is no file of API keys", seen=f"{path}: {error}", fix=f"Move it away. {_ADD}."
        ) from error


def _text_of(keys: Sequence[ApiKey]) -> str:
    return json.dumps({"keys": config.to_dict(keys)}, indent=2, ensure_ascii=False) + "\n"
