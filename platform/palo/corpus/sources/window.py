"""A window on a file that moves forward: what is in memory, and where it lies in the file."""

import re
from typing import BinaryIO

from palo.corpus.sources import rows as pieces

_MAX_READ_BYTES = 8 << 20
_NOT_SPACE = re.compile(rb"[^ \t\r\n]")


class Window:
    """Bytes of a file from some place on.

    Args:
        file: The file, open for reading bytes.
        start: Where to begin.

    Attributes:
        data: The bytes in memory.
        base: Place in the file of the first of them.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        self.data = b""
        self.base = start
        self._file = file
        file.seek(start)

    def more(self, keep: int) -> bool:
        """Forgets what lies before a place in `data` and reads on; that place is 0 then.

        Returns:
            False if the file has ended.
        """
        kept = self.data[keep:]
        # The more must be kept, the more is read, so that a long row isn't copied again and again.
        new = self._file.read(min(max(pieces.READ_BYTES, len(kept)), _MAX_READ_BYTES))
        self.base += keep
        self.data = kept + new
        return bool(new)

    def skip_space(self, position: int) -> int:
        """Returns the place of the next byte that is not white space, and makes sure it is there.

        Bytes before it may be forgotten. If the file ends first, the place is behind the last byte.
        """
        while (found := _NOT_SPACE.search(self.data, position)) is None:
            more = self.more(len(self.data))
            position = 0
            if not more:
                return 0
        return found.start()
