"""A JSON object around the rows: {"data": [...]}, and COCO's captions with their images apart."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from palo.corpus.sources.json_scan import Window, read_element
from palo.corpus.sources.rows import UTF8_BOM, RawRow, fast_object
from palo.reasons import Reason

ROW_LISTS = ("data", "rows", "samples", "examples", "train", "items", "records", "annotations")
"""Keys of a list of rows."""

_IMAGES, _ANNOTATIONS = "images", "annotations"
_KEY = re.compile(rb'"((?:[^"\\]++|\\.)*+)"\s*:\s*')
_MAX_KEY_BYTES = 4096
_MAX_MEMBERS = 1000


class WholeObject(NamedTuple):
    """What a file consists of that is one JSON object.

    Attributes:
        members: Where the value of each key begins, in bytes.
        lists: The keys whose value is a list of objects or lists.
    """

    members: dict[str, int]
    lists: frozenset[str]

    @property
    def is_coco(self) -> bool:
        """Whether it has captions or other annotations, and the images that they are about."""
        return {_IMAGES, _ANNOTATIONS} <= self.lists

    @property
    def rows(self) -> int | None:
        """Where its list of rows begins; None if it has none."""
        return next((self.members[key] for key in ROW_LISTS if key in self.lists), None)


def whole_object(file: BinaryIO) -> WholeObject | None:
    """Reads where the members of a file's object are; None if the file isn't one whole object.

    Args:
        file: The file, open for reading bytes.
    """
    window, position = _start(file)
    members: dict[str, int] = {}
    lists: set[str] = set()
    if window.data[position : position + 1] != b"{":
        return None
    position += 1
    while True:
        position = window.skip_space(position)
        if window.data[position : position + 1] == b"}":
            position = window.skip_space(position + 1)
            return WholeObject(members, frozenset(lists)) if position >= len(window.data) else None
        if len(window.data) - position < _MAX_KEY_BYTES:
            window.more(position)
            position = 0
        key = _KEY.match(window.data, position, position + _MAX_KEY_BYTES)
        if key is None or len(members) >= _MAX_MEMBERS:
            return None
        name = key[1].decode(errors="replace")
        members[name] = window.base + key.end()
        element = read_element(window, key.end())
        if element is None:
            return None
        if re.match(rb"\[\s*[\[{]", element.data[:_MAX_KEY_BYTES]):
            lists.add(name)
        position = element.end
        if window.data[position : position + 1] == b",":
            position += 1


def read_coco(file: BinaryIO) -> Iterator[RawRow]:
    """Reads the annotations of a file in COCO's format, each with the path of its image.

    Args:
        file: The file, open for reading bytes.
    """
    found = whole_object(file)
    if found is None:
        return
    names: dict[object, object] = {}
    for _, image in _elements(file, found.members[_IMAGES]):
        if image is not None and isinstance(image.get("id"), int | str):
            names[image["id"]] = image.get("file_name")
    for offset, annotation in _elements(file, found.members[_ANNOTATIONS]):
        if annotation is None:
            yield RawRow(offset, b"", Reason.NOT_A_RECORD)
            continue
        number = annotation.get("image_id")
        name = names.get(number) if isinstance(number, int | str) else None
        value = annotation | ({} if name is None else {"image": name})
        yield RawRow(offset, orjson.dumps(value), value=value)


def _start(file: BinaryIO) -> tuple[Window, int]:
    window = Window(file, 0)
    window.more(0)
    start = len(UTF8_BOM) if window.data.startswith(UTF8_BOM) else 0
    return window, window.skip_space(start)


def _elements(file: BinaryIO, offset: int) -> Iterator[tuple[int, dict[str, object] | None]]:
    """Yields the offset of each element of an array, and the object that it is."""
    window = Window(file, offset)
    window.more(0)
    position = 1
    while True:
        position = window.skip_space(position)
        if window.data[position : position + 1] in (b"", b"]"):
            return
        place = window.base + position
        element = read_element(window, position)
        if element is None:
            return
        yield place, None if element.too_large else fast_object(element.data)
        position = element.end + (window.data[element.end : element.end + 1] == b",")


def described(path: Path, found: WholeObject) -> str:
    """Returns what a file is that is one object without rows, for messages.

    Args:
        path: The file.
        found: What it consists of.
    """
    return f"{path} is one object with {', '.join(list(found.members)[:10])}"[:240]
