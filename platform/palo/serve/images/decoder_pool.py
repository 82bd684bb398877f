"""Decodes images in a few processes, so that large ones keep neither answers nor others waiting.

Whoever brings many images waits for their own: each owner's next one comes in turn.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from palo.errors import ImageError
from palo.images.decode_child import Confinement
from palo.images.decoder import CHILD, Decoder
from palo.images.preprocessing import Preprocessing
from palo.security.fair_threads import FairThreads
from palo.serve.images.errors import busy, refused
from palo.serve.images.settings import ImageRules

Pixels = npt.NDArray[np.uint8]

_RETRY_S = 2.0
_NICENESS = 5


class DecoderPool:
    """Decodes images; to be used from one event loop.

    Args:
        preprocessing: How an image becomes the tower's input.
        rules: How many at once, how many may wait, and what one may cost.
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
            owner: Who brings it.
            param: Field of the request that holds it.

        Returns:
            (3, image_size, image_size) uint8.

        Raises:
            Refusal: If it is damaged or too large, takes too long, crashes its decoder, or too
                many wait.
            ResourceError: If no decoder can be started.
        """
        if self._threads.is_busy and self._threads.num_waiting >= self._max_waiting:
            raise busy("to be decoded", _RETRY_S)
        try:
            return await self._threads.run(owner, partial(self._decoded, data))
        except ImageError as error:
            raise refused(error, param) from None

    def close(self) -> None:
        """Ends the processes; images that wait are not decoded any more."""
        self._threads.close(wait=True)
        for decoder in self._decoders:
            decoder.close()

    def _decoded(self, data: bytes) -> Pixels:
        decoder = self._free.pop()  # there are as many as threads
        try:
            return decoder.decode(data)
        finally:
            self._free.append(decoder)
