"""One HTTP request for an image: to an address that was checked, bounded in time and size.

A name is resolved once. Its addresses are checked, and one of them is called, whatever the name
resolves to a moment later. httpx and httpcore know time limits of single reads only, which a slow
server can stretch without end: the stream here ends every read by one deadline.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult

import httpcore

from palo.endpoint.replies import IDENTITY, encoding_fault
from palo.errors import ImageError
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

_GONE = (404, 410)
_MOVED = (301, 302, 303, 307, 308)
_AGAIN = (408, 429, 500, 502, 503, 504)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# What Python's own lists, which differ from version to version, don't all know as special.
_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # protocols' own, and a cloud's metadata
        "192.88.99.0/24",  # relays to IPv6
        "168.63.129.16/32",  # Azure answers here to its own machines only
    )
)
_SPECIAL_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocols' own, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # IPv4 in disguise
        "3fff::/20",  # documentation
    )
)


def is_public(address: str) -> bool:
    """Returns whether an address is one that anybody on the internet would reach.

    Private, shared, loopback, link-local, multicast and reserved ones are not, nor those of IPv6
    that stand for IPv4 ones which are not, in any of the ways in which they can.

    Args:
        address: As a resolver gives it, with or without a scope.

    Raises:
        ValueError: If it is no address.
    """
    if "%" in address:  # a scope belongs to addresses of one network only
        return False
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return _is_public_v4(found)
    if found in _NAT64:  # how a network without IPv4 reaches it
        return _is_public_v4(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    is_special = any(found in network for network in _SPECIAL_V6)
    return found in _GLOBAL_UNICAST and found.is_global and not is_special


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    is_special = any(address in network for network in _SPECIAL_V4)
    return address.is_global and not (address.is_multicast or address.is_reserved or is_special)


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchOptions:
    """Bounds of a request.

    Attributes:
        limits: How large an image may be.
        connect_s: How long one address may take to accept a connection, and then to send anything,
            in seconds.
        deadline: When all must be over, by `time.monotonic`.
        may_be_private: Whether addresses of this machine and its network are allowed.
    """

    limits: ImageLimits
    connect_s: float
    deadline: float
    may_be_private: bool = False


def fetch(address: SplitResult, options: FetchOptions) -> bytes | str:
    """Sends one request.

    Args:
        address: An http:// or https:// address.
        options: The bounds.

    Returns:
        The image's bytes, or the address that the server redirects to.

    Raises:
        OSError: If the server can't be reached, doesn't answer in time, breaks off, answers what is
            no HTTP, or reports an error that may pass.
        ImageError: If it has no such image, it is too large, or the address is not public.
    """
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    url = httpcore.URL(
        scheme=address.scheme.encode(),
        host=(address.hostname or "").encode(),
        port=address.port,
        target=path.encode(),
    )
    headers = [("Host", address.netloc.rpartition("@")[2]), *IDENTITY.items()]
    backend = _CheckedBackend(options)
    try:
        with (
            httpcore.ConnectionPool(ssl_context=_trust(), network_backend=backend) as pool,
            pool.stream("GET", url, headers=headers) as response,
        ):
            got = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in _MOVED:
                return got.get(b"location", "")
            _require_image(response.status, got, options.limits)
            return _body(response.iter_stream(), options.limits)
    except httpcore.TimeoutException as error:
        raise TimeoutError(str(error) or "no whole image in time") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise ConnectionError(str(error) or type(error).__name__) from error


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to the first of a host's addresses that accepts, if all of them are allowed."""

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore.NetworkBackend.connect_tcp."""
        found = [
            str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        ]
        private = [one for one in found if not is_public(one)]
        if private and not self._options.may_be_private:
            raise ImageError(
                Reason.IMAGE_HOST,
                seen=f"{host} is the private address {private[0]}",
                fix="List the address itself in allowed_hosts.",
            )
        last: Exception = OSError(f"{host} has no address")
        for one in dict.fromkeys(found):
            left = self._options.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{host} doesn't answer in time")
            try:
                stream = self._plain.connect_tcp(one, port, min(self._options.connect_s, left))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
                continue
            return _TimedStream(stream, self._options)
        raise last


class _TimedStream(httpcore.NetworkStream):
    """A connection that fails once a deadline has passed, by whichever call.

    Args:
        stream: The connection.
        options: The bounds.
    """

    def __init__(self, stream: httpcore.NetworkStream, options: FetchOptions) -> None:
        self._stream = stream
        self._options = options

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See httpcore.NetworkStream.read."""
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See httpcore.NetworkStream.write."""
        self._stream.write(buffer, self._left())

    def close(self) -> None:
        """See httpcore.NetworkStream.close."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore.NetworkStream.start_tls."""
        secure = self._stream.start_tls(ssl_context, server_hostname, self._left())
        return _TimedStream(secure, self._options)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        """See httpcore.NetworkStream.get_extra_info."""
        return self._stream.get_extra_info(info)

    def _left(self) -> float:
        left = self._options.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("no whole image in time")
        return min(left, self._options.connect_s)


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def port_of(address: SplitResult) -> int:
    """Returns the port of an address.

    Args:
        address: With or without a port of its own.
    """
    return address.port or usual_port(address.scheme)


def usual_port(scheme: str) -> int:
    """Returns the port of addresses that name none.

    Args:
        scheme: http or https.
    """
    return 443 if scheme == "https" else 80


def _require_image(status: int, headers: dict[bytes, str], limits: ImageLimits) -> None:
    if status in _AGAIN:
        raise ConnectionError(f"status {status}")
    if status != HTTPStatus.OK:
        reason = Reason.IMAGE_MISSING if status in _GONE else Reason.IMAGE_UNREADABLE
        raise ImageError(reason, seen=f"status {status}", fix="Check the address.")
    if fault := encoding_fault(headers.get(b"content-encoding", "")):
        raise ImageError(Reason.IMAGE_UNREADABLE, seen=fault, fix="Check the server.")
    _require_size(int(headers.get(b"content-length", "0")), limits)


def _body(parts: Iterable[bytes], limits: ImageLimits) -> bytes:
    data = bytearray()
    for part in parts:
        data += part
        _require_size(len(data), limits)
    return bytes(data)


def _require_size(size: int, limits: ImageLimits) -> None:
    if size > limits.max_file_bytes:
        raise ImageError(
            Reason.IMAGE_FILE_TOO_LARGE,
            seen=f"{size} bytes or more",
            fix=f"Use one of at most {limits.max_file_bytes} bytes.",
        )
