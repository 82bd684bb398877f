"""API keys: what is shown once to their owner, and what is kept of them.

A key is 256 random bits, so its SHA-256 is all that has to be kept: nobody can try out that many
keys, and a slow hash, which makes up for weak passwords, would only let strangers burn our time.
"""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

_PREFIX = "sk-palo-"
_SECRET_BYTES = 32
_ID_BYTES = 4
_MAX_NAME = 64
_DIGEST_CHARACTERS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyLimits:
    """How much one key may ask for; None for as much as it likes.

    Attributes:
        requests_per_minute: Requests; a minute's worth may come at once.
        tokens_per_minute: Tokens of prompts and answers together. A request is let in while any
            are left, so the last one may go beyond; what it took is then waited for.
        concurrent: Requests that are answered at once.
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
    """What is kept of a key.

    Attributes:
        id: Names it in lists and logs; no secret.
        name: Whom or what it is for.
        sha256: Of the key, in hexadecimal.
        created: When, in UTC.
        limits: How much it may ask for.
        revoked: When it was revoked, in UTC; None while it is good.
        tenant: Whose keys share what is cached with this one; None for a key that shares with none.
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
    """Yields what is wrong with a key's name, or with its tenant's."""
    if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        yield f"a key's {what} has from 1 to {_MAX_NAME} printable characters, not {name!r}"


def new_secret() -> str:
    """Returns a fresh key, as its owner sends it."""
    return _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def new_id() -> str:
    """Returns a name for a key that says nothing about it."""
    return secrets.token_hex(_ID_BYTES)


def digest_of(secret: str) -> str:
    """Returns what is kept of a key."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


UNKEYED = ApiKey(
    id="unkeyed",
    name="whoever reaches this machine's loopback",
    sha256="0" * _DIGEST_CHARACTERS,
    created="",
    limits=KeyLimits(requests_per_minute=None, tokens_per_minute=None, concurrent=None),
)
"""Stands for everybody where no keys are asked for."""
