"""Image features of the vision tower, cached and computed once for concurrent requests.

A cache hit can be noticed by its time, so that cached features are shared only by requests of one
salt. Features of the operator's own image store are no secret, and shared by all.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from palo.errors import StorageError
from palo.images.preprocessing import Preprocessing
from palo.images.store import ImageStore
from palo.serve.decoder_pool import DecoderPool, ImageRules, Pixels
from palo.serve.protocol.generate import RequestImage

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

_Key = tuple[str, str]  # salt, image id
_LOG = logging.getLogger(__name__)


class ImageEncoder:
    """Computes image features; to be used from one event loop.

    Args:
        model: The model with the vision tower.
        preprocessing: Preprocessing of images.
        rules: Bounds of images.
        cache_bytes: Memory for cached features.
        store: Features that were computed for training; None if there are none.

    Attributes:
        num_found: Images that the cache held.
        num_stored: Images that the store held.
        num_computed: Images that were computed.
    """

    def __init__(
        self,
        model: "PaloForConditionalGeneration",
        preprocessing: Preprocessing,
        rules: ImageRules,
        cache_bytes: int,
        store: ImageStore | None = None,
    ) -> None:
        self.num_found = 0
        self.num_stored = 0
        self.num_computed = 0
        self._model = model
        self._preprocessing = preprocessing
        self._cache_bytes = cache_bytes
        self._store = store
        self._decoders = DecoderPool(preprocessing, rules)
        self._thread = ThreadPoolExecutor(1, "palo-tower")
        self._known: OrderedDict[_Key, Tensor] = OrderedDict()
        self._known_bytes = 0
        self._coming: dict[_Key, asyncio.Task[Tensor]] = {}

    async def features_of(
        self, images: Sequence[RequestImage], owner: str, salt: str = ""
    ) -> dict[str, Tensor]:
        """Returns the features (P, D) of each image by its id.

        Args:
            images: The images.
            owner: Owner of the request; owners take turns in decoding.
            salt: Features cached for another salt are computed again.

        Raises:
            APIError: If an image can't be decoded, is too large, or too many wait.
            ResourceError: If no decoder can be started.
        """
        found = {}
        for image in images:
            if image.image_id not in found:
                found[image.image_id] = await self._one(image, owner, salt)
        return found

    async def _one(self, image: RequestImage, owner: str, salt: str) -> Tensor:
        key = (salt, image.image_id)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            self.num_found += 1
            return known
        coming = self._coming.get(key)
        if coming is None:
            coming = asyncio.create_task(self._compute(image, owner))
            self._coming[key] = coming
            coming.add_done_callback(lambda task: self._arrived(key, task))
        else:
            self.num_found += 1
        # Shielded, since other requests may wait for the same image.
        return await asyncio.shield(coming)

    async def _compute(self, image: RequestImage, owner: str) -> Tensor:
        if self._store is not None:
            stored = await asyncio.to_thread(self._stored, self._store, image.image_id)
            if stored is not None:
                self.num_stored += 1
                return stored
        self.num_computed += 1
        pixels = await self._decoders.pixels(image.data, owner, image.param)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._encoded, pixels)

    def _stored(self, store: ImageStore, image_id: str) -> Tensor | None:
        try:
            if image_id not in store:
                return None
            return store.read(image_id).to(self._model.device, self._model.dtype)
        except StorageError as error:
            # The features are computed instead.
            _LOG.warning("the image store can't be read: %s", error)
            return None

    @torch.inference_mode()
    def _encoded(self, pixels: Pixels) -> Tensor:
        normal = torch.from_numpy(self._preprocessing.normalise(pixels))
        features: Tensor = self._model.vision_tower(normal[None].to(self._model.device))[0]
        return features

    def close(self) -> None:
        """Ends the decoder processes."""
        self._decoders.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _arrived(self, key: _Key, task: asyncio.Task[Tensor]) -> None:
        del self._coming[key]
        if task.cancelled() or task.exception() is not None:
            return
        features = task.result()
        self._known[key] = features
        self._known_bytes += features.nbytes
        while self._known_bytes > self._cache_bytes:
            _, oldest = self._known.popitem(last=False)
            self._known_bytes -= oldest.nbytes
