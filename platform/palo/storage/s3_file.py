"""An object as a file that is open for reading: each read fetches its range."""

import io
from typing import TYPE_CHECKING

from palo.storage import s3_objects
from palo.storage.s3_place import S3Location

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER_BYTES = 4 << 20


class S3File(io.RawIOBase):
    """Reads ranges of an object; wrap it in io.BufferedReader for small reads.

    Args:
        place: The object.

    Raises:
        FileNotFoundError: If there is none.
    """

    def __init__(self, place: S3Location) -> None:
        super().__init__()
        self._place = place
        self._size = s3_objects.head(place).size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a place, as files do."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(22, "Negative position")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fills a buffer with the next bytes; returns how many these are."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        """Returns the next bytes; all up to the end by default."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        data = s3_objects.read(self._place, self._position, wanted)
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        """Returns all bytes up to the end."""
        return self.read()
