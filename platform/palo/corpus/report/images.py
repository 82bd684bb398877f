"""The images of samples as the tower sees them."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from palo import storage
from palo.corpus.images_step.image_files import read_image
from palo.data.corpus_reader import Corpus
from palo.errors import PaloError
from palo.html.image_uri import image_uri
from palo.images.decode import decode_image, to_pixels
from palo.images.image_folder import parts_of
from palo.images.preprocessing import ImageLimits


class ImageViewer:
    """Shows images of a corpus: from its pixels, or decoded again as the build decoded them.

    Args:
        corpus: The corpus.
        image_ids: The images that will be asked for.
    """

    def __init__(self, corpus: Corpus, image_ids: Iterable[str]) -> None:
        self._corpus = corpus
        self._paths = _paths_of(corpus.folder, set(image_ids))

    def path(self, image_id: str) -> str | None:
        """Returns where one of the files with this content lay when the corpus was built.

        Args:
            image_id: Hash of the image.
        """
        return self._paths.get(image_id)

    def data_uri(self, image_id: str) -> str | None:
        """Returns an image as a data URI, or None if its file is gone or another by now.

        Args:
            image_id: Hash of the image.
        """
        pixels = self._pixels(image_id)
        if pixels is None:
            return None
        return image_uri(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))))

    def _pixels(self, image_id: str) -> npt.NDArray[np.uint8] | None:
        store = self._corpus.images
        if store is None:
            return None
        if store.spec.kind == "pixels":
            return store.read(image_id).numpy()
        path = self._paths.get(image_id)
        if path is None or not _is_known_store(path, self._corpus.folder):
            return None
        limits = ImageLimits()
        try:
            data = read_image(path, self._corpus.folder / "archives", limits)
            if hashlib.sha256(data).hexdigest() != image_id:
                return None
            return to_pixels(decode_image(data, limits), store.spec.preprocessing)
        except PaloError:  # the page says that the file is not there as it was
            return None


def _is_known_store(path: str, corpus: Path) -> bool:
    """Tells whether an image lies in no other store than the corpus or the environment's.

    A corpus of somebody else's may name any server, which must not be asked with our credentials.
    """
    try:
        place = storage.path_of(parts_of(path)[0])
    except PaloError:
        return False
    if not isinstance(place, storage.S3Path) or not place.place.endpoint:
        return True
    return isinstance(corpus, storage.S3Path) and corpus.place.endpoint == place.place.endpoint


def _paths_of(corpus: Path, image_ids: set[str]) -> Mapping[str, str]:
    path = corpus / "image_table.parquet"
    if not image_ids or not path.exists():
        return {}
    table = storage.read_table(
        path,
        columns=["path", "image_id"],
        filters=[("image_id", "in", sorted(image_ids))],
    )
    columns = (table.column(name).to_pylist() for name in ("image_id", "path"))
    return dict(zip(*columns, strict=True))
