"""Images within a page."""

import base64
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_SMALL = 160
"""Images of at most so many pixels a side are kept exactly; larger ones as JPEG."""


def image_uri(image: "Image") -> str:
    """Returns an image as a data URI.

    Args:
        image: An RGB image.
    """
    form = "PNG" if max(image.size) <= _SMALL else "JPEG"
    buffer = BytesIO()
    image.save(buffer, form, quality=82, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{form.lower()};base64,{data}"
