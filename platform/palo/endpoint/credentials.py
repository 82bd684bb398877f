"""API keys: each is sent to its own server only, and never unencrypted over a network.

A key is sent over TLS or within this machine. `OPENAI_API_KEY`, which many programs share, is sent
to OpenAI and to the server of `OPENAI_BASE_URL`. Other servers' keys are in variables that the user
names.
"""

import ipaddress
import os
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from palo.errors import ConfigError

OPENAI_KEY = "OPENAI_API_KEY"
_OPENAI_URL = "OPENAI_BASE_URL"
_OPENAI_HOST = "api.openai.com"
_PORTS = {"http": 80, "https": 443}
_ODD = frozenset(' \\<>"^`{|}')
_HIDDEN = b"[API key]"
# Placeholders such as EMPTY, for servers that require any key, may occur in any text.
_SHORTEST_SECRET = 8


def address_faults(url: str) -> Iterator[str]:
    """Yields the faults of an address, without repeating a secret that it may hold.

    Args:
        url: The server's address.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        yield f"url is {_shown(url)!r} but must be as https://host/v1 or http://127.0.0.1:8000/v1"
    elif "@" in parts.netloc:
        yield "url holds a user or password: remove them; keys come from environment variables"
    elif parts.query or parts.fragment:
        yield "url has a part behind ? or #: give the address up to /v1 alone"


def is_loopback(url: str) -> bool:
    """Returns whether an address is on this machine, by its number or as localhost.

    Args:
        url: The server's address.
    """
    host = (parts.hostname or "") if (parts := _split(url)) is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in ("localhost", "localhost.")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def key_variable(url: str, named: str | None) -> str | None:
    """Returns the environment variable of a server's key; None if it gets no key.

    Args:
        url: The server's address.
        named: The variable that the user named for it.
    """
    if named is not None:
        return named or None
    return OPENAI_KEY if _is_openai(url) else None


def key_faults(url: str, key: str | None, *, allow_insecure_http: bool) -> Iterator[str]:
    """Yields why a key may not be sent to a server.

    Args:
        url: The server's address.
        key: The key; nothing is wrong with none.
        allow_insecure_http: Whether the network to the server is trusted.
    """
    if not key:
        return
    if not (key.isascii() and key.isprintable()) or " " in key:
        yield "the API key has characters that no key has, such as spaces or line ends"
    yield from way_faults(url, allow_insecure_http=allow_insecure_http)


def way_faults(url: str, *, allow_insecure_http: bool) -> Iterator[str]:
    """Yields why no key may be sent to a server.

    Args:
        url: The server's address.
        allow_insecure_http: Whether the network to the server is trusted.
    """
    parts = _split(url)
    is_open = parts is not None and parts.scheme == "http" and not is_loopback(url)
    if is_open and not allow_insecure_http:
        yield (
            f"API keys would cross the network to {_shown(url)} unencrypted: use https://, or "
            "set allow_insecure_http where everybody on the way is trusted"
        )


def authorization(url: str, key: str | None, *, allow_insecure_http: bool) -> dict[str, str]:
    """Returns the headers that carry a key; none without one.

    Args:
        url: The server's address.
        key: The key.
        allow_insecure_http: Whether the network to the server is trusted.

    Raises:
        ConfigError: If the address is wrong, or the key may not be sent there.
    """
    faults = [
        *address_faults(url),
        *key_faults(url, key, allow_insecure_http=allow_insecure_http),
    ]
    if faults:
        raise ConfigError("the server can't be asked", seen="; ".join(faults))
    return {"Authorization": f"Bearer {key}"} if key else {}


def key_of(variable: str | None) -> str | None:
    """Returns the key in an environment variable; None if there is none.

    Args:
        variable: Name of the variable; None for none.
    """
    return (os.environ.get(variable, "").strip() or None) if variable else None


def without_key(data: bytes, key: str | None) -> bytes:
    """Returns an error response without our key, which some servers repeat.

    Args:
        data: The body of an error response.
        key: Our key.
    """
    if key is None or len(key) < _SHORTEST_SECRET:
        return data
    return data.replace(key.encode(), _HIDDEN)


def _is_openai(url: str) -> bool:
    origin = _origin(url)
    if origin is None:
        return False
    host = origin[1]
    if origin == ("https", host, 443) and f".{host}".endswith(f".{_OPENAI_HOST}"):
        return True
    return origin == _origin(os.environ.get(_OPENAI_URL, ""))


def _origin(url: str) -> tuple[str, str, int] | None:
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _split(url: str) -> SplitResult | None:
    """Returns an address's parts; None for one that libraries may read differently."""
    if not url.isprintable() or _ODD & set(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # ValueError if it is none
    except ValueError:
        return None
    return parts


def _shown(url: str) -> str:
    """Returns an address without what may be a user's name and password."""
    before, sign, rest = url.rpartition("@")
    return f"…@{rest}" if sign and before else url
