"""Which images a request may bring."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from palo.images.limits import ImageLimits

_HOST = re.compile(r"(?!-)[a-z0-9.-]+(?<!-)(:\d{1,5})?")


def _limits() -> ImageLimits:
    return ImageLimits(max_file_bytes=20 << 20, max_pixels=40_000_000, max_decode_s=30.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRules:
    """Which images are taken, from where, and what they may cost.

    Of an image with several frames the first one alone is ever decoded.

    Attributes:
        limits: How much one may ask for.
        allowed_hosts: Servers of the internet that images may be fetched from, as
            `images.example.org`, with a port if it isn't the usual one; none by default. Names
            outside ASCII are written as `xn--...`.
        allow_http: Fetches without encryption too.
        connect_s: How long a server may take to answer a call.
        fetch_s: How long it may take until the whole image is here.
        max_fetches: Images that are fetched at once.
        num_decoders: Processes that decode.
        max_decoder_bytes: Memory of each of them.
        max_waiting: Images that may wait for a fetch, and for a decoder.
    """

    limits: ImageLimits = field(default_factory=_limits)
    allowed_hosts: tuple[str, ...] = ()
    allow_http: bool = False
    connect_s: float = 3.0
    fetch_s: float = 10.0
    max_fetches: int = 8
    num_decoders: int = 1
    max_decoder_bytes: int = 2 << 30
    max_waiting: int = 64

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        for host in self.allowed_hosts:
            if not _HOST.fullmatch(host):
                yield f"allowed_hosts has {host!r}; name a server like images.example.org"
        for name in ("max_fetches", "num_decoders", "max_waiting"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        for name in ("connect_s", "fetch_s"):
            if not 0 < getattr(self, name) <= 600:
                yield f"{name} must be above 0, at most 600, not {getattr(self, name)}"
        if self.max_decoder_bytes < self.limits.max_file_bytes:
            yield f"max_decoder_bytes must hold a file, not be {self.max_decoder_bytes}"
