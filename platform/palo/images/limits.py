"""Limits of the image files that are read and decoded."""

from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_DECODE_S = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLimits:
    """How much one image file may ask for.

    Attributes:
        max_file_bytes: Largest file that is read.
        max_pixels: Most pixels that are decoded.
        max_decode_s: Longest time that a build spends on decoding one.
    """

    max_file_bytes: int = 64 << 20
    max_pixels: int = 64_000_000
    max_decode_s: float = 30.0

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is out of range."""
        for name in ("max_file_bytes", "max_pixels"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        if not 0 < self.max_decode_s <= _LONGEST_DECODE_S:
            yield f"max_decode_s must be above 0, at most a day, not {self.max_decode_s}"
