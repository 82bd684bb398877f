"""Decodes pictures in a few processes, so that large ones keep neither answers nor others waiting.

Whoever brings many pictures waits for their own: each owner's next one comes in turn.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from palo.data.decode_child import Confinement
from palo.data.decoder import CHILD, Decoder
from palo.data.preprocessing import Preprocessing
from palo.errors import ImageError
from palo.serve.guard.picture_refusals import busy, refused
from palo.serve.guard.picture_settings import PictureRules

Pixels = npt.NDArray[np.uint8]

_RETRY_S = 2.0
_NICENESS = 5


class DecoderPool:
    """Decodes pictures; to be used from one event loop.

    Args:
        preprocessing: How a picture becomes the tower's input.
        rules: How many at once, how many may wait, and what one may cost.
        command: See `Decoder`.
    """

    def __init__(
        self, preprocessing: Preprocessing, rules: PictureRules, command: Sequence[str] = CHILD
    ) -> None:
        confinement = Confinement(niceness=_NICENESS, max_bytes=rules.max_decoder_bytes)
        self._decoders = [
            Decoder(preprocessing, rules.limits, command, confinement)
            for _ in range(rules.num_decoders)
        ]
        self._free = list(self._decoders)
        self._threads = ThreadPoolExecutor(rules.num_decoders, "palo-decode")
        self._waiting: OrderedDict[str, deque[_Wish]] = OrderedDict()
        self._num_waiting = 0
        self._max_waiting = rules.max_waiting

    async def pixels(self, data: bytes, owner: str = "", param: str | None = None) -> Pixels:
        """Decodes and preprocesses a picture.

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
        if not self._free and self._num_waiting >= self._max_waiting:
            raise busy("to be decoded", _RETRY_S)
        wish = _Wish(data=data, done=asyncio.get_running_loop().create_future())
        self._waiting.setdefault(owner, deque()).append(wish)
        self._num_waiting += 1
        self._start()
        try:
            return await wish.done
        except asyncio.CancelledError:
            self._forget(owner, wish)
            raise
        except ImageError as error:
            raise refused(error, param) from None

    def close(self) -> None:
        """Ends the processes; pictures that wait are not decoded any more."""
        self._waiting.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for decoder in self._decoders:
            decoder.close()

    def _start(self) -> None:
        while self._free and (wish := self._next()) is not None:
            decoder = self._free.pop()
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._threads, decoder.decode, wish.data)
            running.add_done_callback(partial(self._finish, decoder, wish))

    def _next(self) -> "_Wish | None":
        """Takes the first picture of the owner whose turn it is; those that are gone are passed."""
        while self._waiting:
            owner, wishes = self._waiting.popitem(last=False)
            wish = wishes.popleft()
            self._num_waiting -= 1
            if wishes:
                self._waiting[owner] = wishes
            if not wish.done.done():
                return wish
        return None

    def _forget(self, owner: str, wish: "_Wish") -> None:
        wishes = self._waiting.get(owner, deque())
        if wish in wishes:
            wishes.remove(wish)
            self._num_waiting -= 1
            if not wishes:
                del self._waiting[owner]

    def _finish(self, decoder: Decoder, wish: "_Wish", ended: "asyncio.Future[Pixels]") -> None:
        self._free.append(decoder)
        if ended.cancelled():
            wish.done.cancel()
        elif not wish.done.done():
            error = ended.exception()
            if error is None:
                wish.done.set_result(ended.result())
            else:
                wish.done.set_exception(error)
        else:
            ended.exception()  # nobody waits for it any more
        self._start()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Wish:
    data: bytes
    done: "asyncio.Future[Pixels]"
