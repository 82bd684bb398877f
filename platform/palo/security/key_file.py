"""The file of API keys: read, added to and revoked from, by several processes at once."""

import fcntl
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from palo import config, storage
from palo.errors import ConfigError
from palo.security.audit_log import record
from palo.security.keys import ApiKey, KeyLimits, digest_of, name_faults, new_id, new_secret

KEY_FILE = Path("runs/keys.json")
"""Where keys are kept unless another file is named."""

_ADD = "Add a key: python jobs/keys.py add NAME"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Reads all keys, revoked ones too.

    Raises:
        ConfigError: If the file is damaged, or others may write it.
        StorageError: If it is missing or can't be read.
    """
    with storage.wrap_os_errors("read", path):
        mode = path.stat().st_mode
    if mode & _OTHERS_WRITE:  # whoever writes it gives themselves a key; reading it gives none
        raise ConfigError(
            "others may write the file of API keys",
            seen=f"{path} has mode {stat.S_IMODE(mode):o}",
            fix=f"Run: chmod 600 {path}",
        )
    values = storage.read_json(path)
    if not isinstance(values, dict) or not isinstance(values.get("keys"), list):
        raise ConfigError("this is no file of API keys", seen=path, fix=f"Move it away. {_ADD}.")
    keys = tuple(config.from_dict(ApiKey, entry) for entry in values["keys"])
    config.check(keys)
    return keys


def add_key(
    path: Path, name: str, limits: KeyLimits | None = None, tenant: str | None = None
) -> tuple[str, ApiKey]:
    """Makes a key and keeps its digest; the file is made where there is none.

    Args:
        path: The file.
        name: Whom or what it is for.
        limits: How much it may ask for.
        tenant: See `ApiKey`.

    Returns:
        The key itself, which is kept nowhere, and what is kept of it.

    Raises:
        ConfigError: If the name or a limit is out of range, or the file is damaged.
        StorageError: If the file can't be read or written.
    """
    with _changing(path) as keys:
        secret, key = _made(name, limits, tenant)
        keys.append(key)
    _record("key_added", key, path)
    return secret, key


def renew_key(path: Path, name: str, limits: KeyLimits | None = None) -> tuple[str, ApiKey]:
    """Makes a key in place of all of this name; for programs that need one at each start.

    Args:
        path: The file.
        name: Whom or what it is for.
        limits: How much it may ask for.

    Returns:
        See `add_key`.

    Raises:
        ConfigError: See `add_key`.
        StorageError: See `add_key`.
    """
    with _changing(path) as keys:
        secret, key = _made(name, limits)
        keys[:] = [*(old for old in keys if old.name != name), key]
    _record("key_renewed", key, path)
    return secret, key


def revoke_key(path: Path, wanted: str) -> ApiKey:
    """Revokes a key for good; running servers refuse it within a second.

    Args:
        path: The file.
        wanted: Its id.

    Raises:
        ConfigError: If there is no such key, or the file is damaged.
        StorageError: If the file can't be read or written.
    """
    with _changing(path) as keys:
        for index, key in enumerate(keys):
            if key.id == wanted:
                found = keys[index] = replace(key, revoked=key.revoked or _now())
                break
        else:
            ids = ", ".join(key.id for key in keys)
            raise ConfigError("there is no such key", seen=wanted, fix=f"Their ids are: {ids}.")
    _record("key_revoked", found, path)
    return found


def _made(name: str, limits: KeyLimits | None, tenant: str | None = None) -> tuple[str, ApiKey]:
    limits = limits or KeyLimits()
    for fault in name_faults(name):
        raise ConfigError(fault, fix="Name whom or what the key is for.")
    for fault in () if tenant is None else name_faults(tenant, "tenant"):
        raise ConfigError(fault, fix="Name the team whose keys share what is cached.")
    config.check(limits)
    secret = new_secret()
    return secret, ApiKey(
        id=new_id(),
        name=name,
        sha256=digest_of(secret),
        created=_now(),
        limits=limits,
        tenant=tenant,
    )


def _record(event: str, key: ApiKey, path: Path) -> None:
    record(event, key=key.id, key_name=key.name, tenant=key.tenant, file=path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _changing(path: Path) -> Iterator[list[ApiKey]]:
    """Gives all keys to change, and writes them back; others wait meanwhile."""
    lock = path.with_name(f".{path.name}.lock")
    with storage.wrap_os_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("a") as held:
            lock.chmod(0o600)
            fcntl.flock(held, fcntl.LOCK_EX)
            keys = list(read_keys(path)) if path.exists() else []
            yield keys
            text = json.dumps({"keys": config.to_dict(keys)}, indent=2, ensure_ascii=False)
            with storage.replacing(path) as partial:
                partial.touch(mode=0o600, exist_ok=False)  # not for a moment readable by others
                partial.write_text(f"{text}\n", encoding="utf-8")
