"""Addresses to listen on, looked at before anything is loaded."""

import socket

from palo.errors import ResourceError


def require_free(host: str, port: int) -> None:
    """Refuses an address that something else listens on.

    Raises:
        ResourceError: If it is taken, or none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ResourceError(
                "can't listen on this address",
                seen=f"{host}:{port}, {error.strerror}",
                fix="Choose another port with --port.",
            ) from error
