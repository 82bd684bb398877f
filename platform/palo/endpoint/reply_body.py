"""The bytes of a server's reply, as they come and no more than were bargained for."""

from collections.abc import Mapping

# A few bytes of gzip or brotli can stand for gigabytes. Replies of models are short: compressing
# them saves nothing, and what isn't decompressed can't be a bomb.
IDENTITY = {"Accept-Encoding": "identity"}


class ReplyBody:
    """Collects a reply's bytes as they stand on the wire.

    Args:
        headers: The reply's headers.
        max_bytes: The most that are taken.

    Attributes:
        fault: Why it can't be read; empty while it can.
    """

    def __init__(self, headers: Mapping[str, str], max_bytes: int) -> None:
        self.fault = encoding_fault(headers.get("content-encoding", ""))
        self._max_bytes = max_bytes
        self._data = bytearray()

    @property
    def data(self) -> bytes:
        """What has come; nothing of an encoded reply."""
        return bytes(self._data)

    def add(self, part: bytes) -> bool:
        """Takes the next bytes; tells whether more are wanted."""
        if not self.fault:
            self._data += part[: self._max_bytes - len(self._data) + 1]
            if len(self._data) > self._max_bytes:
                self.fault = f"the reply is longer than {self._max_bytes:,} bytes"
        return not self.fault


def encoding_fault(encoding: str) -> str:
    """Returns what is wrong with a reply's encoding; nothing if it is plain, as was asked for.

    Args:
        encoding: The header Content-Encoding; empty without one.
    """
    if encoding.strip().lower() in ("", "identity"):
        return ""
    return f"the reply is encoded ({encoding[:40]}) though a plain one was asked for"
