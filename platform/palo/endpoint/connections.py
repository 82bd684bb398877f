"""Connections to servers: TLS, and the proxies of the environment.

The one rule for every client in this package: a server on this machine is reached directly,
whatever `http_proxy` says; any other through the proxy of the environment unless `no_proxy` names
it.
"""

import functools
import ipaddress
import ssl
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from palo.endpoint.credentials import is_loopback
from palo.errors import ConfigError

_VARIABLES = "http_proxy, https_proxy, all_proxy and no_proxy"


def connection_settings(url: str) -> dict[str, Any]:
    """Returns the arguments of httpx's clients that say how a server is reached.

    Args:
        url: The server's address.

    Raises:
        ConfigError: If the environment names a proxy or certificates that can't be used.
    """
    # A proxy of the environment is meant for other machines, and would read the key.
    trust_env = not (is_loopback(url) or _is_exempt(url))
    if trust_env:
        _require_usable_proxies()
    return {"trust_env": trust_env, "verify": _tls()}


def _is_exempt(url: str) -> bool:
    """Returns whether no proxy is to be used for what httpx doesn't know.

    That is 0.0.0.0 or ::, as servers on this machine print their address, and a network in
    no_proxy, as 10.0.0.0/8.
    """
    try:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    if address.is_unspecified:
        return True
    for entry in getproxies().get("no", "").split(","):
        try:
            if "/" in entry and address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:  # another form of entry, which httpx reads
            continue
    return False


def _require_usable_proxies() -> None:
    try:
        httpx.Client(verify=False).close()  # noqa: S501 - nothing is sent
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise ConfigError(
            "the proxies of the environment can't be used",
            seen=error,
            fix=f"Correct or unset {_VARIABLES}; a proxy is as http://host:port.",
        ) from error


@functools.cache
def _tls() -> ssl.SSLContext:
    """Returns the TLS context, cached since reading the certificates takes tens of milliseconds."""
    try:
        return httpx.create_ssl_context()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names can't be read",
            seen=error,
            fix="Correct or unset the variable.",
        ) from error
