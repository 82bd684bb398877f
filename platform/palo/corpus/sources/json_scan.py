"""Scanning of JSON text in bounded memory: a moving window, and the end of an array's element.

The end of an element is found by brackets and strings alone: every byte passes through regular
expressions, at a fifth of a decoder's speed, but any bytes will do: those of broken records too,
and of records that are too large to be kept in memory.
"""

import re
from typing import BinaryIO, NamedTuple

from palo.corpus.sources import rows as byte_limits

_MAX_READ_BYTES = 8 << 20
_NOT_SPACE = re.compile(rb"[^ \t\r\n]")
_MARK = re.compile(rb'["{}\[\],]')
# Never gives back what it took (possessive), so that a long string costs its length once.
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE = ord('"')


class Window:
    """Bytes of a file in memory, a window that moves forward.

    Args:
        file: The file, open for reading bytes.
        start: Offset in the file of its first byte.

    Attributes:
        data: The bytes in memory.
        base: Offset in the file of the first of them.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        self.data = b""
        self.base = start
        self._file = file
        file.seek(start)

    def more(self, keep: int) -> bool:
        """Drops the bytes before a position in `data`, which becomes 0, and reads more.

        Args:
            keep: Position in `data` of the first byte to keep.

        Returns:
            False if the file has ended.
        """
        kept = self.data[keep:]
        # The more must be kept, the more is read, so that a long row isn't copied again and again.
        new = self._file.read(min(max(byte_limits.READ_BYTES, len(kept)), _MAX_READ_BYTES))
        self.base += keep
        self.data = kept + new
        return bool(new)

    def skip_space(self, position: int) -> int:
        """Returns the position of the next byte that is not white space, reading it if needed.

        Args:
            position: Where to begin in `data`; bytes before the result may be dropped.

        Returns:
            A position in `data`; its length if the file ends first.
        """
        while (found := _NOT_SPACE.search(self.data, position)) is None:
            more = self.more(len(self.data))
            position = 0
            if not more:
                return 0
        return found.start()


class Element(NamedTuple):
    """An element of an array.

    Attributes:
        data: Its bytes, with white space behind; the first few if it is too large.
        end: Position in the window's data of the comma or bracket behind it.
        too_large: Whether it is larger than a record may be.
    """

    data: bytes
    end: int
    too_large: bool = False


def read_element(window: Window, start: int) -> Element | None:
    """Reads an element from its first byte to the comma or bracket behind it.

    Args:
        window: The file's window.
        start: Position of its first byte in the window's data.

    Returns:
        The element; None if the file ends within it.
    """
    depth, scan, in_string, kept = 0, start, False, b""
    while True:
        scan, depth, in_string, ended = _scan(window.data, scan, depth, in_string)
        if ended:
            return Element(kept, scan, True) if kept else Element(window.data[start:scan], scan)
        if not kept and len(window.data) - start > byte_limits.MAX_RECORD_BYTES:
            kept = window.data[start : start + byte_limits.KEPT_BYTES]
        keep = scan if kept else start
        if not window.more(keep):
            return None
        start, scan = 0, scan - keep


def _scan(data: bytes, scan: int, depth: int, in_string: bool) -> tuple[int, int, bool, bool]:
    """Scans to the end of the element or data; returns the new state, and if it has ended."""
    while True:
        if in_string:
            inside = _IN_STRING.match(data, scan)
            scan = inside.end() if inside else scan
            if scan >= len(data) or data[scan] != _QUOTE:  # a lone backslash waits for its partner
                return scan, depth, True, False
            scan, in_string = scan + 1, False
        mark = _MARK.search(data, scan)
        if mark is None:
            return len(data), depth, False, False
        match mark.group():
            case b'"':
                in_string = True
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]" if depth:
                depth -= 1
            case _ if not depth:
                return mark.start(), depth, False, True
        scan = mark.end()
