"""Pictures within a page."""

import base64
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_SMALL = 160
"""Pictures of at most so many pixels a side are kept exactly; larger ones as JPEG."""


def picture_uri(picture: "Image") -> str:
    """Returns a picture as a data URI.

    Args:
        picture: An RGB picture.
    """
    form = "PNG" if max(picture.size) <= _SMALL else "JPEG"
    buffer = BytesIO()
    picture.save(buffer, form, quality=82, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{form.lower()};base64,{data}"
