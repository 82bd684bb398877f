"""Downloads of images: each is fetched once and kept, and no server can hold a build up.

Allowed servers are settled when rows are parsed. A name that leads to a private address is rejected
all the same: only an address, or localhost, that a person listed may be private.
"""

import hashlib
import ipaddress
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

from palo import storage
from palo.errors import ImageError
from palo.images.fetch import FetchOptions, fetch, port_of, usual_port
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason
from palo.retries import Backoff

CONNECT_S = 5.0
TOTAL_S = 30.0
PAUSE_S = 1.0
_ATTEMPTS = 3
_REDIRECTS = 3
_SILENT_AFTER = 3


class Downloads:
    """Downloads images and keeps them in a folder.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._failures: Counter[str] = Counter()

    def read(self, uri: str, limits: ImageLimits) -> bytes:
        """Returns an image's bytes; each image is downloaded once.

        Args:
            uri: Its http:// or https:// address.
            limits: How large it may be.

        Raises:
            ImageError: If the server doesn't answer or has no such image, or it is too large.
            StorageError: If it can't be kept.
        """
        name = hashlib.sha256(uri.encode()).hexdigest()
        path = self._folder / name[:2] / name
        if path.is_file():
            return storage.read_bytes(path)
        data = self._download(uri, limits)
        storage.write_bytes(path, data)
        return data

    def _download(self, uri: str, limits: ImageLimits) -> bytes:
        host = urlsplit(uri).netloc
        if self._failures[host] >= _SILENT_AFTER:
            raise _silent(f"{host} has not answered {_SILENT_AFTER} times")
        for wait_s in Backoff(attempts=_ATTEMPTS, first_wait_s=PAUSE_S).waits():
            time.sleep(wait_s)
            try:
                data = _fetch(uri, limits)
            except (OSError, ValueError) as error:
                last: Exception = error
                continue
            self._failures[host] = 0
            return data
        self._failures[host] += 1
        raise _silent(str(last) or type(last).__name__) from last


@lru_cache(maxsize=4)
def downloads_in(folder: Path) -> Downloads:
    """Returns the downloads that all tasks of a process share, with the servers known to be silent.

    Args:
        folder: Where they are kept.
    """
    return Downloads(folder)


def _silent(seen: str) -> ImageError:
    fix = "Check the server, then build again."
    return ImageError(Reason.IMAGE_SERVER_SILENT, seen=seen, fix=fix)


def _fetch(uri: str, limits: ImageLimits) -> bytes:
    """Sends one request, and follows redirects within the server.

    Raises:
        OSError: As `fetch` raises it.
        ValueError: If a redirect leads to a malformed address.
        ImageError: As `fetch` raises it.
    """
    deadline = time.monotonic() + TOTAL_S
    for _ in range(_REDIRECTS + 1):
        address = urlsplit(uri)
        options = FetchOptions(
            limits=limits,
            connect_s=CONNECT_S,
            deadline=deadline,
            may_be_private=_is_named(address.hostname or ""),
        )
        answer = fetch(address, options)
        if isinstance(answer, bytes):
            return answer
        uri = _followed(uri, answer)
    seen = f"more than {_REDIRECTS} redirects"
    raise ImageError(Reason.IMAGE_UNREADABLE, seen=seen, fix="Check the address.")


def _followed(uri: str, location: str) -> str:
    """Returns the target of a redirect, if it may be followed.

    It stays with the server that a person has allowed: on the same scheme and port, or from HTTP
    to HTTPS where both are on their usual ports. Other ports are other services, and what was
    asked for over TLS is not taken without.

    Raises:
        ValueError: If the target is malformed.
        ImageError: If it may not be followed.
    """
    old, new = urlsplit(uri), urlsplit(urljoin(uri, location))
    is_upgrade = (old.scheme, new.scheme) == ("http", "https") and _usual(old) and _usual(new)
    is_same = old.scheme == new.scheme and port_of(old) == port_of(new)
    if new.hostname != old.hostname or "@" in new.netloc or not (is_same or is_upgrade):
        raise ImageError(
            Reason.IMAGE_UNREADABLE,
            seen=f"the server sends to {new.geturl()[:200]!r}",
            fix="Name the image's own address.",
        )
    return new.geturl()


def _usual(address: SplitResult) -> bool:
    return port_of(address) == usual_port(address.scheme)


def _is_named(host: str) -> bool:
    """Returns whether a host is an address, or localhost: then a person has listed just that."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
