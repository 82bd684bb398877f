"""Pictures from web servers: each is downloaded once and kept, and no server can hold a build up.

Which servers may be asked is settled when rows are parsed. A name that leads to a private address
is refused all the same: only an address, or localhost, that a person listed may be one.
"""

import contextlib
import hashlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

from palo import storage
from palo.data.corpus_config import ImageLimits
from palo.data.reasons import Reason
from palo.errors import ImageError

CONNECT_S = 5.0
TOTAL_S = 30.0
PAUSE_S = 1.0
_ATTEMPTS = 3
_REDIRECTS = 3
_SILENT_AFTER = 3
_READ_BYTES = 1 << 16
_GONE = (404, 410)
_MOVED = (301, 302, 303, 307, 308)
_AGAIN = (408, 429, 500, 502, 503, 504)


class Downloads:
    """Downloads pictures and keeps them in a folder.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._failures: Counter[str] = Counter()

    def read(self, uri: str, limits: ImageLimits) -> bytes:
        """Returns a picture's bytes; what was downloaded once is not asked for again.

        Raises:
            ImageError: If the server doesn't answer or has no such picture, or it is too large.
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
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_S * attempt)
            try:
                data = _fetch(uri, limits)
            except (OSError, http.client.HTTPException, ValueError) as error:
                last: Exception = error
                continue
            self._failures[host] = 0
            return data
        self._failures[host] += 1
        raise _silent(str(last) or type(last).__name__) from last


@lru_cache(maxsize=4)
def downloads_in(folder: Path) -> Downloads:
    """Returns what all tasks of a process share, so that they know silent servers."""
    return Downloads(folder)


def _silent(seen: str) -> ImageError:
    fix = "Check the server, then build again."
    return ImageError(Reason.IMAGE_SERVER_SILENT, seen=seen, fix=fix)


def _fetch(uri: str, limits: ImageLimits) -> bytes:
    """Asks once, and follows redirects within the server.

    Raises:
        OSError: If the server can't be reached or doesn't answer in time.
        http.client.HTTPException: If it breaks off, or asks to come again.
        ValueError: If it sends to what is no address.
        ImageError: If it has no such picture, or it is too large.
    """
    deadline = time.monotonic() + TOTAL_S
    for _ in range(_REDIRECTS + 1):
        answer = _ask(urlsplit(uri), limits, deadline)
        if isinstance(answer, bytes):
            return answer
        target = urlsplit(urljoin(uri, answer))
        if target.hostname != urlsplit(uri).hostname or target.scheme not in ("http", "https"):
            seen = f"the server sends to {target.geturl()[:200]!r}"
            fix = "Name the picture's own address."
            raise ImageError(Reason.IMAGE_UNREADABLE, seen=seen, fix=fix)
        uri = target.geturl()
    seen = f"more than {_REDIRECTS} redirects"
    raise ImageError(Reason.IMAGE_UNREADABLE, seen=seen, fix="Check the address.")


def _ask(address: SplitResult, limits: ImageLimits, deadline: float) -> bytes | str:
    """Returns a picture, or the address that the server sends to."""
    connection = _connect(address)
    # Ends whatever a slow server does: a time-out of a socket begins anew with each byte.
    watch = threading.Timer(deadline - time.monotonic(), _hang_up, (connection.sock,))
    watch.daemon = True
    watch.start()
    try:
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("GET", path, headers={"Accept-Encoding": "identity"})
        response = connection.getresponse()
        if response.status in _MOVED:
            return response.headers.get("Location", "")
        data = _body(response, limits)
    finally:
        watch.cancel()
        connection.close()
    if time.monotonic() > deadline:  # what was hung up looks like a picture's end
        raise TimeoutError(f"no whole picture within {TOTAL_S:g} s")
    return data


def _connect(address: SplitResult) -> http.client.HTTPConnection:
    host = address.hostname or ""
    secure = address.scheme == "https"
    port = address.port or (443 if secure else 80)
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not _is_named(host):
        for one in found:
            if not ipaddress.ip_address(one).is_global:
                raise ImageError(
                    Reason.IMAGE_HOST,
                    seen=f"{host} is the private address {one}",
                    fix="List the address itself in allowed_hosts.",
                )
    # The address that was checked, whatever the name leads to a moment later.
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT_S)
    plain = socket.create_connection((found[0], port), timeout=CONNECT_S)
    context = ssl.create_default_context()
    connection.sock = context.wrap_socket(plain, server_hostname=host) if secure else plain
    return connection


def _is_named(host: str) -> bool:
    """Tells whether a host is an address, or localhost: then a person has listed just that."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _hang_up(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed by now
        connected.shutdown(socket.SHUT_RDWR)


def _body(response: http.client.HTTPResponse, limits: ImageLimits) -> bytes:
    if response.status in _AGAIN:
        raise http.client.HTTPException(f"status {response.status}")
    if response.status != http.client.OK:
        reason = Reason.IMAGE_MISSING if response.status in _GONE else Reason.IMAGE_UNREADABLE
        raise ImageError(reason, seen=f"status {response.status}", fix="Check the address.")
    size = response.length or 0
    data = bytearray()
    while size <= limits.max_file_bytes and (part := response.read(_READ_BYTES)):
        data += part
        size = max(size, len(data))
    if size > limits.max_file_bytes:
        raise ImageError(
            Reason.IMAGE_FILE_TOO_LARGE,
            seen=f"{size} bytes or more",
            fix=f"Use one of at most {limits.max_file_bytes} bytes.",
        )
    if len(data) < size:
        raise http.client.IncompleteRead(bytes(data), size - len(data))
    return bytes(data)
