import io
import struct

import numpy as np
import pytest
from PIL import Image

from palo.errors import ImageError
from palo.images import decode as images
from palo.images.decode import decode_image, preprocess, to_pixels
from palo.images.decoder import shared_decoder
from palo.images.preprocessing import ImageLimits, Preprocessing
from palo.reasons import Reason

SMALL = Preprocessing(image_size=28, shortest_edge=28)


def saved(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def sample_image(width=40, height=30):
    rng = np.random.default_rng(3)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def reason_of(data, **limits):
    with pytest.raises(ImageError) as caught:
        decode_image(data, ImageLimits(**limits))
    assert "\n" not in str(caught.value)
    return Reason(caught.value.fact)


def test_a_plain_image_comes_back():
    assert decode_image(saved(sample_image())).tobytes() == sample_image().tobytes()


def test_transparency_lies_on_white():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert decode_image(saved(image)).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 0)
    assert decode_image(saved(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_exif_turns_the_image():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode_image(saved(sample_image(40, 30), "JPEG", exif=exif))
    assert image.size == (30, 40)


def test_sixteen_bits_are_scaled_not_clipped():
    values = np.full((4, 4), 65535 // 2, np.uint16)
    assert decode_image(saved(Image.fromarray(values))).getpixel((0, 0)) == (127, 127, 127)


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red, green, blue = decode_image(saved(image, "TIFF")).getpixel((4, 4))
    assert red > 200
    assert max(green, blue) < 80


def test_an_animation_shows_its_first_frame():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_an_animation_only_the_first_frame_is_decoded(form, monkeypatch):
    frames = [sample_image(64, 64).rotate(angle) for angle in range(12)]
    data = saved(frames[0], form, save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(data)).n_frames == len(frames)
    sought = []
    plugin = type(Image.open(io.BytesIO(data)))
    seek = plugin.seek
    monkeypatch.setattr(plugin, "seek", lambda im, frame: sought.append(frame) or seek(im, frame))
    assert decode_image(data).size == (64, 64)
    assert not any(sought)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_cut_file_is_damaged_never_half_an_image(form):
    data = saved(sample_image(64, 64), form)
    assert reason_of(data[: len(data) // 2]) in (Reason.IMAGE_DAMAGED, Reason.IMAGE_UNKNOWN)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<html>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_other_files_are_no_images(data):
    assert reason_of(data) is Reason.IMAGE_UNKNOWN


def test_a_bomb_is_refused_by_its_header():
    data = bytearray(saved(Image.new("RGB", (10, 10))))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    crc = struct.pack(">I", __import__("zlib").crc32(bytes(data[12:29])))
    data[29:33] = crc
    assert reason_of(bytes(data)) is Reason.IMAGE_TOO_LARGE


def test_limits_are_kept():
    data = saved(sample_image(40, 30))
    assert decode_image(data, ImageLimits(max_pixels=1200)).size == (40, 30)
    assert reason_of(data, max_pixels=1199) is Reason.IMAGE_TOO_LARGE
    assert reason_of(data, max_file_bytes=len(data) - 1) is Reason.IMAGE_FILE_TOO_LARGE


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (28, 28), (1, 1), (1, 3000), (9000, 2)])
@pytest.mark.parametrize("aspect", ["pad", "crop"])
def test_any_shape_becomes_the_towers_square(monkeypatch, size, aspect):
    monkeypatch.setattr(images, "_MAX_SQUARE_SIDE", 512)
    settings = Preprocessing(image_size=28, shortest_edge=28, aspect=aspect)
    pixels = to_pixels(sample_image(*size), settings)
    assert pixels.shape == (3, 28, 28)
    assert pixels.dtype == np.uint8


def test_padding_has_the_mean_colour_and_keeps_the_whole_image():
    pixels = to_pixels(Image.new("RGB", (56, 28), "black"), SMALL)
    assert pixels[:, 0, 0].tolist() == [122, 116, 104]
    assert pixels[:, 14, 0].tolist() == [0, 0, 0]


def test_cropping_loses_the_sides():
    image = Image.new("RGB", (56, 28), "black")
    image.paste("white", (0, 0, 14, 28))
    settings = Preprocessing(image_size=28, shortest_edge=28, aspect="crop")
    assert to_pixels(image, settings).max() == 0


def test_normalised_pixels_are_float32():
    values = preprocess(Image.new("RGB", (28, 28), (255, 255, 255)), SMALL)
    assert values.dtype == np.float32
    assert values[0, 0, 0] == pytest.approx((1 - 0.48145466) / 0.26862954, abs=1e-6)


EXPECTED = {
    "decompression_bomb.gif": Reason.IMAGE_TOO_LARGE,
    "decompression_bomb.ico": Reason.IMAGE_UNKNOWN,
    "broken.png": Reason.IMAGE_UNKNOWN,
    "skimage_truncated.jpg": Reason.IMAGE_UNKNOWN,
    "crash-2020-10-test.tif": Reason.IMAGE_UNKNOWN,
    "crash-4fb027452e6988530aa5dabee76eecacb3b79f8a.j2k": Reason.IMAGE_UNKNOWN,
    "coco_truncated_20k.jpg": Reason.IMAGE_DAMAGED,
    "truncated_image.png": Reason.IMAGE_DAMAGED,
    "truncated_jpeg.jpg": Reason.IMAGE_DAMAGED,
}


@pytest.mark.data
def test_hostile_files_end_as_an_image_or_a_reason(data_folder):
    seen = {}
    for path in sorted((data_folder / "images" / "hostile").iterdir()):
        if path.name == "LICENSE":
            continue
        try:
            image = decode_image(path.read_bytes())
        except ImageError as error:
            seen[path.name] = Reason(error.fact)
        else:
            assert image.mode == "RGB"
            in_child = shared_decoder(SMALL, ImageLimits()).decode(path.read_bytes())
            assert np.array_equal(in_child, to_pixels(image, SMALL))
            continue
        with pytest.raises(ImageError, match=seen[path.name]):
            shared_decoder(SMALL, ImageLimits()).decode(path.read_bytes())
    assert seen == EXPECTED
