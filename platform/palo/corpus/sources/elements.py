"""Finds where an element of a JSON array ends, by its brackets and strings alone.

This goes through every byte with regular expressions, at a fifth of a decoder's speed, but takes
any bytes: those of broken records too, and of records that are too large to be kept in memory.
"""

import re
from typing import NamedTuple

from palo.corpus.sources import rows as pieces
from palo.corpus.sources.window import Window

_MARK = re.compile(rb'["{}\[\],]')
# Never gives back what it took (possessive), so that a long string costs its length once.
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE = ord('"')


class Element(NamedTuple):
    """An element of an array.

    Attributes:
        data: Its bytes, with white space behind; the first few if it is too large.
        end: Place in the window's data of the comma or bracket behind it.
        too_large: Whether it is.
    """

    data: bytes
    end: int
    too_large: bool = False


def read_element(window: Window, start: int) -> Element | None:
    """Reads an element from its first byte to the comma or bracket behind it.

    Args:
        window: Where it lies.
        start: Place of its first byte in the window's data.

    Returns:
        The element; None if the file ends within it.
    """
    depth, scan, in_string, kept = 0, start, False, b""
    while True:
        scan, depth, in_string, ended = _scan(window.data, scan, depth, in_string)
        if ended:
            return Element(kept, scan, True) if kept else Element(window.data[start:scan], scan)
        if not kept and len(window.data) - start > pieces.MAX_RECORD_BYTES:
            kept = window.data[start : start + pieces.KEPT_BYTES]
        keep = scan if kept else start
        if not window.more(keep):
            return None
        start, scan = 0, scan - keep


def _scan(data: bytes, scan: int, depth: int, in_string: bool) -> tuple[int, int, bool, bool]:
    """Goes on until the element's end or the data's; returns the new state, and if it has ended."""
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
