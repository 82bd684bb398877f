"""A pool of decoder processes for untrusted images, with the rules that images must follow."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ImageError
from palo.images.decoder import CHILD, Confinement, Decoder
from palo.images.preprocessing import ImageLimits, Preprocessing
from palo.reasons import Reason
from palo.security.fair_threads import FairThreads

_HOST = re.compile(r"(?!-)[a-z0-9.-]+(?<!-)(:\d{1,5})?")
_TOO_LARGE = (Reason.IMAGE_TOO_LARGE, Reason.IMAGE_FILE_TOO_LARGE)
Pixels = npt.NDArray[np.uint8]
_RETRY_S = 2.0
_NICENESS = 5


def _limits() -> ImageLimits:
    return ImageLimits(max_file_bytes=20 << 20, max_pixels=40_000_000, max_decode_s=30.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRules:
    """Limits of images, servers they may be fetched from, and resources to decode them.

    Only the first frame of an image is ever decoded.

    Attributes:
        limits: Limits of one image.
        allowed_hosts: Servers that images may be fetched from, as `images.example.org`, with a port
            unless it is the default; none by default. Names outside ASCII are written as `xn--...`.
        allow_http: Allows http:// addresses too.
        connect_s: Seconds for connecting to a server.
        fetch_s: Seconds for fetching a whole image.
        max_fetches: Most concurrent fetches.
        num_decoders: Number of decoder processes.
        max_decoder_bytes: Memory of each decoder process.
        max_waiting: Most images that wait for a fetch, and for a decoder.
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


def decoding_error(error: ImageError, param: str | None) -> APIError:
    """Converts the error of an image that can't be decoded.

    Args:
        error: The decoder's error.
        param: Field of the request that holds the image.
    """
    is_large = error.fact in _TOO_LARGE
    # A decoder's message may reveal details of this machine: only sizes are passed on.
    return APIError(
        error.fact,
        seen=error.seen if is_large else "",
        fix=error.fix,
        code=APIErrorCode.IMAGE_TOO_LARGE if is_large else APIErrorCode.IMAGE_UNREADABLE,
        param=param,
    )


def busy_error(purpose: str, retry_after_s: float) -> APIError:
    """Returns the error for too many waiting images.

    Args:
        purpose: What they wait for, as "to be decoded".
        retry_after_s: Seconds after which another try is sensible.
    """
    return APIError(
        f"too many images wait {purpose}",
        fix=f"Try again in {retry_after_s:.0f} s.",
        code=APIErrorCode.OVERLOADED,
        retry_after_s=retry_after_s,
    )


class DecoderPool:
    """Decodes images in processes of their own, with the owners taking turns.

    It is used from one event loop, which large images never block.

    Args:
        preprocessing: Preprocessing of images.
        rules: Number of decoders, length of the queue, and limits of an image.
        command: See `Decoder`.
    """

    def __init__(
        self, preprocessing: Preprocessing, rules: ImageRules, command: Sequence[str] = CHILD
    ) -> None:
        confinement = Confinement(niceness=_NICENESS, max_bytes=rules.max_decoder_bytes)
        self._decoders = [
            Decoder(preprocessing, rules.limits, command, confinement)
            for _ in range(rules.num_decoders)
        ]
        self._free = list(self._decoders)
        self._threads = FairThreads(rules.num_decoders, "palo-decode")
        self._max_waiting = rules.max_waiting

    async def pixels(self, data: bytes, owner: str = "", param: str | None = None) -> Pixels:
        """Decodes and preprocesses an image.

        Args:
            data: The file's bytes.
            owner: Owner of the request; owners take turns.
            param: Field of the request that holds the image.

        Returns:
            (3, image_size, image_size) uint8.

        Raises:
            APIError: If it is damaged or too large, takes too long, crashes its decoder, or too
                many wait.
            ResourceError: If no decoder can be started.
        """
        if self._threads.is_busy and self._threads.num_waiting >= self._max_waiting:
            raise busy_error("to be decoded", _RETRY_S)
        try:
            return await self._threads.run(owner, partial(self._decoded, data))
        except ImageError as error:
            raise decoding_error(error, param) from None

    def close(self) -> None:
        """Ends the processes; waiting images are not decoded."""
        self._threads.close(wait=True)
        for decoder in self._decoders:
            decoder.close()

    def _decoded(self, data: bytes) -> Pixels:
        decoder = self._free.pop()  # there are as many as threads
        try:
            return decoder.decode(data)
        finally:
            self._free.append(decoder)
