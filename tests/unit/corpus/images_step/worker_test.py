import hashlib

import numpy as np
import pytest
from PIL import Image

from palo.corpus.images_step.image_files import stamp_of
from palo.corpus.images_step.worker import ShardTask, decode_shard, identify
from palo.images.decode import decode_image, to_pixels
from palo.images.preprocessing import ImageLimits, Preprocessing
from palo.images.store_spec import StoreSpec
from palo.reasons import Reason

SPEC = StoreSpec(
    kind="pixels",
    shape=(3, 8, 8),
    dtype="uint8",
    preprocessing=Preprocessing(image_size=8, shortest_edge=8),
)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    Image.new("RGB", (9, 7), "red").save(path)
    return path


class InPlace:
    """Decodes in this process, which a build never does."""

    def decode(self, data):
        return to_pixels(decode_image(data), SPEC.preprocessing)


def test_an_image_is_named_by_its_bytes(image):
    row = identify(str(image), image.parent, ImageLimits())
    assert row["image_id"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert row["reason"] is None
    assert (row["num_bytes"], row["modified_ns"]) == stamp_of(str(image))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gone.png", Reason.IMAGE_MISSING), (".", Reason.IMAGE_UNREADABLE)],
)
def test_what_can_not_be_read_has_a_reason(tmp_path, name, reason):
    row = identify(str(tmp_path / name), tmp_path, ImageLimits())
    assert (row["image_id"], row["reason"]) == (None, reason)


def test_a_huge_file_is_not_read(image):
    row = identify(str(image), image.parent, ImageLimits(max_file_bytes=10))
    assert row["reason"] is Reason.IMAGE_FILE_TOO_LARGE


def test_a_shard_holds_the_good_images_and_names_the_others(image, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    changed = tmp_path / "changed.png"
    changed.write_bytes(image.read_bytes())
    ids = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (image, broken)]
    task = ShardTask(
        image_ids=(*ids, "0" * 64, "1" * 64),
        paths=(str(image), str(broken), str(changed), str(tmp_path / "gone.png")),
        indexes=tmp_path,
        limits=ImageLimits(),
    )
    decoded = decode_shard(task, SPEC, InPlace())
    assert decoded.image_ids == (ids[0],)
    assert decoded.pixels.shape == (1, 3, 8, 8)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.faults[ids[1]][0] == Reason.IMAGE_UNKNOWN
    assert "changed during the build" in decoded.faults["0" * 64][1]
    assert decoded.faults["1" * 64][0] == Reason.IMAGE_MISSING
