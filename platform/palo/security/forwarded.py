"""The address that a client has and the one that it asked for, behind a reverse proxy.

Whoever connects may write `X-Forwarded-*` and `Forwarded`. They are believed from the addresses of
proxies alone, and reach nothing behind this middleware.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

# A host with a port, as a browser writes it.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){1,8}")
_SCHEMES = ("http", "https")
# Gradio would take the last one for its own address.
_HEADERS = (b"forwarded", b"x-real-ip", b"x-gradio-server")
_HEADER_PREFIX = b"x-forwarded-"
_MAX_HOPS = 32
_LOOPBACK = "127.0.0.1"
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True, slots=True)
class ProxySettings:
    """The reverse proxy in front of a server.

    Attributes:
        public_url: Address of the server for people, as https://palo.example or
            https://example.org/palo. Pages then answer under this address alone. By default it is
            what a trusted proxy says, or the address that was connected to.
        trusted: Addresses and networks of proxies, whose `X-Forwarded-For`, `-Proto`, `-Host` and
            `-Prefix`, or `Forwarded`, are believed. Without keys none is.
    """

    public_url: str = ""
    trusted: tuple[str, ...] = ("127.0.0.1", "::1")

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if self.public_url and _parts_of(self.public_url) is None:
            yield (
                f"public_url is {self.public_url!r}, it must be like https://palo.example or "
                "https://example.org/palo"
            )
        for each in self.trusted:
            if _network_of(each) is None:
                yield f"trusted has {each!r}, it must be an address or a network like 10.0.0.0/8"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What a client asked for: its address, and the place as it wrote it."""

    client: str | None = None
    scheme: str | None = None
    host: str | None = None
    prefix: str = ""


class PublicAddress:
    """ASGI middleware that puts the client's address and the public one into a request.

    Args:
        app: The application.
        settings: The proxy.
        keeps_prefix: Whether the application expects the public path, as its `root_path`, in front
            of its own; otherwise it is cut off.
    """

    def __init__(self, app: ASGIApp, settings: ProxySettings, *, keeps_prefix: bool) -> None:
        self._app = app
        self._keeps_prefix = keeps_prefix
        self._public = _parts_of(settings.public_url) if settings.public_url else None
        self._trusted = [net for each in settings.trusted if (net := _network_of(each))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] == "http":
            scope = self._as_asked(scope)
        await self._app(scope, receive, send)

    def _as_asked(self, scope: Scope) -> Scope:
        asked = self._forwarded(scope)
        scheme, host, prefix = asked.scheme, asked.host, asked.prefix
        if self._public is not None:
            scheme, host, prefix = self._public
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name not in _HEADERS
            and not name.startswith(_HEADER_PREFIX)
            and not (host is not None and name == b"host")
        ]
        if host is not None:
            headers.append((b"host", host.encode()))
        found = {**scope, "headers": headers, "scheme": scheme or scope.get("scheme", "http")}
        if asked.client is not None:
            found["client"] = (asked.client, 0)
        return self._with_prefix(found, prefix)

    def _with_prefix(self, scope: Scope, prefix: str) -> Scope:
        state = {**scope.get("state", {}), "public_prefix": prefix}
        path, root = scope["path"], scope.get("root_path", "")
        is_whole = bool(prefix) and f"{path}/".startswith(f"{prefix}/")
        if self._keeps_prefix:
            path, root = path if is_whole else prefix + path, prefix + root
        elif is_whole:
            path = path.removeprefix(prefix) or "/"
        raw = path.encode("utf-8", "surrogateescape")
        return {**scope, "path": path, "raw_path": raw, "root_path": root, "state": state}

    def _forwarded(self, scope: Scope) -> _Asked:
        """Returns what trusted proxies say; nothing if an untrusted one connects."""
        peer = scope.get("client")
        if peer is None or not self._believes(str(peer[0]), peer[1]):
            return _Asked()
        headers = Headers(scope=scope)
        if any(name.startswith("x-forwarded-") for name in headers):
            clients = _listed(headers, "x-forwarded-for")
            schemes, hosts, prefixes = (
                _listed(headers, f"x-forwarded-{name}") for name in ("proto", "host", "prefix")
            )
        else:
            hops = [_pairs(hop) for hop in _listed(headers, "forwarded")]
            clients, schemes, hosts = (
                [hop.get(name, "") for hop in hops] for name in ("for", "proto", "host")
            )
            prefixes = []
        # The nearest proxy that isn't ours, from the end: what is in front of it is its own word.
        num_ours = next(
            (n for n, each in enumerate(reversed(clients)) if not self._is_trusted(_bare(each))),
            max(0, len(clients) - 1),
        )
        client = _bare(clients[-1 - num_ours]) if clients else ""
        return _Asked(
            client=client if _is_address(client) else None,
            scheme=next((one for one in _nth(schemes, num_ours) if one.lower() in _SCHEMES), None),
            host=next((one for one in _nth(hosts, num_ours) if _HOST.fullmatch(one)), None),
            prefix=next((one for one in _nth(prefixes, num_ours) if _PREFIX.fullmatch(one)), ""),
        )

    def _believes(self, address: str, port: int) -> bool:
        """Returns whether a proxy that we trust connects.

        Ray Serve's server, uvicorn, may have put the client in the place of its proxy: it believes
        this machine's own, and no connection has port 0.
        """
        return self._is_trusted(address) or (port == 0 and self._is_trusted(_LOOPBACK))

    def _is_trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in self._trusted)


def _parts_of(url: str) -> tuple[str, str, str] | None:
    """Returns scheme, host and path of a public address; None if it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = parts.path.rstrip("/")
    is_plain = not (parts.query or parts.fragment) and (not path or _PREFIX.fullmatch(path))
    if parts.scheme not in _SCHEMES or not _HOST.fullmatch(parts.netloc) or not is_plain:
        return None
    return parts.scheme, parts.netloc.lower(), path


def _network_of(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _listed(headers: Headers, name: str) -> list[str]:
    """Returns the values of a header, of all its lines; the nearest proxy's are last."""
    values = [part.strip() for line in headers.getlist(name) for part in line.split(",")]
    return values[-_MAX_HOPS:]


def _pairs(hop: str) -> dict[str, str]:
    """Returns the parameters of one element of `Forwarded` (RFC 7239)."""
    pairs = (part.partition("=") for part in hop.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _bare(node: str) -> str:
    """Returns an address without its brackets and port."""
    if node.startswith("["):
        return node[1:].partition("]")[0] if "]" in node else ""
    return node.partition(":")[0] if node.count(":") == 1 else node


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _nth(values: Sequence[str], num_ours: int) -> Sequence[str]:
    """Returns the value that the outermost of our proxies has added, as one or no item."""
    place = max(0, len(values) - 1 - num_ours)
    return values[place : place + 1]
