"""Preprocessing equals that of LLaVA and CLIP in transformers, on the Pillow backend."""

import numpy as np
import pytest
from PIL import Image

from palo.images.decode import preprocess
from palo.images.preprocessing import Preprocessing

# Measured worst difference over SIZES: 0.
TOLERANCE = 1e-6
SIZES = [(640, 427), (427, 640), (336, 336), (500, 500), (337, 336), (61, 50), (1500, 334)]


def noise(width, height):
    rng = np.random.default_rng(width)
    coarse = rng.integers(0, 256, (12, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("image_size", [336, 224])
def test_pad_equals_llava(size, image_size):
    processors = pytest.importorskip("transformers.models.llava.image_processing_pil_llava")
    theirs = processors.LlavaImageProcessorPil(
        do_pad=True,
        size={"shortest_edge": image_size},
        crop_size={"height": image_size, "width": image_size},
    )
    image = noise(*size)
    expected = theirs(image, return_tensors="np")["pixel_values"][0]
    ours = preprocess(image, Preprocessing(image_size=image_size, shortest_edge=image_size))
    assert np.abs(ours - expected).max() < TOLERANCE


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("edge", "image_size"), [(336, 336), (256, 224)])
def test_crop_equals_clip(size, edge, image_size):
    processors = pytest.importorskip("transformers.models.clip.image_processing_pil_clip")
    theirs = processors.CLIPImageProcessorPil(
        size={"shortest_edge": edge}, crop_size={"height": image_size, "width": image_size}
    )
    image = noise(*size)
    expected = theirs(image, return_tensors="np")["pixel_values"][0]
    settings = Preprocessing(aspect="crop", image_size=image_size, shortest_edge=edge)
    assert np.abs(preprocess(image, settings) - expected).max() < TOLERANCE


@pytest.mark.data
def test_real_photos_equal_llava(data_folder):
    processors = pytest.importorskip("transformers.models.llava.image_processing_pil_llava")
    theirs = processors.LlavaImageProcessorPil(
        do_pad=True, size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
    )
    photos = sorted((data_folder / "captions" / "coco111" / "images").iterdir())[:5]
    assert photos
    for path in photos:
        image = Image.open(path).convert("RGB")
        expected = theirs(image, return_tensors="np")["pixel_values"][0]
        assert np.abs(preprocess(image, Preprocessing()) - expected).max() < TOLERANCE
