"""Decoding and preprocessing of image files, the same for training and for serving.

Files are hostile until shown otherwise: formats are an allow-list, sizes are checked before a pixel
is decoded, and any exception of a decoder becomes one ImageError.
"""

from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from palo.errors import ImageError
from palo.images.preprocessing import ImageLimits, Preprocessing
from palo.reasons import Reason

_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MAX_SQUARE_SIDE = 8192
_MAX_CROP_ASPECT = 16


def decode_image(data: bytes, limits: ImageLimits | None = None) -> Image.Image:
    """Decodes an image file to RGB as people see it.

    Turned as EXIF says, transparency on white, 16 bits scaled to 8, the first frame of an
    animation.

    Args:
        data: The file's bytes.
        limits: How much it may ask for.

    Returns:
        The image in mode RGB.

    Raises:
        ImageError: If it is no image, is damaged or cut off, or is too large.
    """
    limits = limits or ImageLimits()
    if len(data) > limits.max_file_bytes:
        raise ImageError(
            Reason.IMAGE_FILE_TOO_LARGE,
            seen=f"{len(data)} bytes",
            fix=f"Use one of at most {limits.max_file_bytes} bytes.",
        )
    image = open_image(data, limits)
    try:
        image.load()
        return _as_seen(image)
    except Exception as error:
        raise ImageError(
            Reason.IMAGE_DAMAGED, seen=_first_line(error), fix="Save it again."
        ) from error


def open_image(data: bytes, limits: ImageLimits) -> Image.Image:
    """Opens an image file of a known format, without decoding a pixel.

    Args:
        data: The file's bytes.
        limits: How much it may ask for.

    Raises:
        ImageError: If it is no image, or is too large.
    """
    try:
        image = Image.open(BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(_first_line(error), limits) from error
    except Exception as error:
        raise ImageError(
            Reason.IMAGE_UNKNOWN,
            seen=repr(data[:8]),
            fix=f"Use one of {', '.join(_FORMATS)}, and check that the file is whole.",
        ) from error
    width, height = image.size
    if width * height > limits.max_pixels:
        raise _too_large(f"{width} x {height}", limits)
    return image


def _too_large(seen: str, limits: ImageLimits) -> ImageError:
    fix = f"Scale it down to {limits.max_pixels} pixels."
    return ImageError(Reason.IMAGE_TOO_LARGE, seen=seen, fix=fix)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _as_seen(image: Image.Image) -> Image.Image:
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bit(image)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # an image with broken EXIF data is an image all the same
        return image


def _to_8_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        values = np.nan_to_num((values - low) * (255 / max(high - low, 1e-12)))
    elif values.max() > 255:
        values /= 257
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def to_pixels(image: Image.Image, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Scales and cuts an image to the square that the tower sees.

    Args:
        image: In mode RGB.
        preprocessing: How.

    Returns:
        (3, image_size, image_size) uint8.

    Source:
        LLaVA's process_images with image_aspect_ratio pad (expand2square), then
        CLIPImageProcessor; sides as in reference implementations, rounded down.
    """
    image = _squared(image, preprocessing) if preprocessing.aspect == "pad" else _trimmed(image)
    width, height = image.size
    edge, size = preprocessing.shortest_edge, preprocessing.image_size
    short, long = min(width, height), max(width, height)
    scaled = (edge, int(edge * long / short))
    image = image.resize(scaled if width <= height else scaled[::-1], preprocessing.resample)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    pixels = np.asarray(image.crop((left, top, left + size, top + size)))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def preprocess(image: Image.Image, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """Returns what the tower takes.

    Args:
        image: In mode RGB.
        preprocessing: How.

    Returns:
        (3, image_size, image_size) float32, normalised.
    """
    return preprocessing.normalise(to_pixels(image, preprocessing))


def _squared(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    if image.width == image.height:
        return image
    if max(image.size) > _MAX_SQUARE_SIDE:  # the square of a long image could take gigabytes
        share = _MAX_SQUARE_SIDE / max(image.size)
        image = image.resize((_scaled(image.width, share), _scaled(image.height, share)))
    side = max(image.size)
    red, green, blue = (int(mean * 255) for mean in preprocessing.mean)
    square = Image.new("RGB", (side, side), (red, green, blue))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def _scaled(length: int, share: float) -> int:
    return max(1, round(length * share))


def _trimmed(image: Image.Image) -> Image.Image:
    """Cuts the ends off a very long image: scaled up they would take gigabytes, then be lost."""
    longest = _MAX_CROP_ASPECT * min(image.size)
    width, height = min(image.width, longest), min(image.height, longest)
    if (width, height) == image.size:
        return image
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
