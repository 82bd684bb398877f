"""One question to a web server, with a bound on time and size, to an address that was checked."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult

from palo.endpoint.replies import IDENTITY, encoding_fault
from palo.errors import ImageError
from palo.images.limits import ImageLimits
from palo.images.public_addresses import is_public
from palo.reasons import Reason

_READ_BYTES = 1 << 16
_GONE = (404, 410)
_MOVED = (301, 302, 303, 307, 308)
_AGAIN = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchOptions:
    """How a server is asked.

    Attributes:
        limits: How large an image may be.
        connect_s: How long one address may take to answer a call.
        deadline: When all must be over, by `time.monotonic`.
        may_be_private: Whether an address of this machine or its network will do.
    """

    limits: ImageLimits
    connect_s: float
    deadline: float
    may_be_private: bool = False


def fetch(address: SplitResult, asking: FetchOptions) -> bytes | str:
    """Returns an image, or the address that the server sends to.

    Raises:
        OSError: If the server can't be reached or doesn't answer in time.
        http.client.HTTPException: If it breaks off, or asks to come again.
        ImageError: If it has no such image, it is too large, or the address is not public.
    """
    plain = _call(address, asking)
    line = plain.dup()  # TLS takes the socket itself over
    # Ends whatever a slow server does: a time-out of a socket begins anew with each byte.
    watch = threading.Timer(max(0.0, asking.deadline - time.monotonic()), _hang_up, (line,))
    watch.daemon = True
    watch.start()
    connection: http.client.HTTPConnection | None = None
    try:
        connection = _over(plain, address)
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("GET", path, headers=IDENTITY)
        response = connection.getresponse()
        if response.status in _MOVED:
            return response.headers.get("Location", "")
        data = _body(response, asking.limits)
    finally:
        watch.cancel()
        line.close()
        plain.close()
        if connection is not None:
            connection.close()
    if time.monotonic() > asking.deadline:  # what was hung up looks like an image's end
        raise TimeoutError("no whole image in time")
    return data


def _call(address: SplitResult, asking: FetchOptions) -> socket.socket:
    """Connects to the first of a host's addresses that answers, if all of them may be asked."""
    host, port = address.hostname or "", port_of(address)
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    private = [one for one in found if not is_public(one)]
    if private and not asking.may_be_private:
        raise ImageError(
            Reason.IMAGE_HOST,
            seen=f"{host} is the private address {private[0]}",
            fix="List the address itself in allowed_hosts.",
        )
    last: OSError = OSError(f"{host} has no address")
    for one in dict.fromkeys(found):
        left = asking.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{host} doesn't answer in time")
        try:
            # The address that was checked, whatever the name leads to a moment later.
            return socket.create_connection((one, port), timeout=min(asking.connect_s, left))
        except OSError as error:
            last = error
    raise last


def _over(plain: socket.socket, address: SplitResult) -> http.client.HTTPConnection:
    host, port = address.hostname or "", port_of(address)
    if address.scheme != "https":
        connection = http.client.HTTPConnection(host, port)
        connection.sock = plain
        return connection
    secure = http.client.HTTPSConnection(host, port, context=_trust())
    secure.sock = _trust().wrap_socket(plain, server_hostname=host)
    return secure


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def port_of(address: SplitResult) -> int:
    """Returns the port that an address leads to."""
    return address.port or usual_port(address.scheme)


def usual_port(scheme: str) -> int:
    """Returns the port of addresses that name none."""
    return 443 if scheme == "https" else 80


def _hang_up(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed by now
        connected.shutdown(socket.SHUT_RDWR)


def _body(response: http.client.HTTPResponse, limits: ImageLimits) -> bytes:
    if response.status in _AGAIN:
        raise http.client.HTTPException(f"status {response.status}")
    if response.status != http.client.OK:
        reason = Reason.IMAGE_MISSING if response.status in _GONE else Reason.IMAGE_UNREADABLE
        raise ImageError(reason, seen=f"status {response.status}", fix="Check the address.")
    if fault := encoding_fault(response.headers.get("Content-Encoding", "")):
        raise ImageError(Reason.IMAGE_UNREADABLE, seen=fault, fix="Check the server.")
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
