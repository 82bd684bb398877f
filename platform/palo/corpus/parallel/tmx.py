"""Parallel text in TMX, the XML of translation memories, read as a stream.

Source: TMX 1.4b (LISA, 2005): tmx/body/tu/tuv[xml:lang]/seg. The code of other programs within a
segment (bpt, ept, it, ph, ut) isn't part of its text; what is highlighted (hi) is.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from palo.corpus.parallel.lines import MAX_LINE_BYTES, TextFault, TextLine, known_code
from palo.corpus.sources.opened import open_source
from palo.errors import DataError
from palo.storage import wrap_os_errors

TMX_ENDING = ".tmx"
_CHUNK_BYTES = 1 << 16
_CODES = frozenset(("bpt", "ept", "it", "ph", "ut", "sub"))
_LANGUAGE = ("xml:lang", "lang")
_FIX = "Export it from its program again."


def read_tmx(path: Path) -> Iterator[TextLine]:
    """Reads the units of a TMX file.

    Args:
        path: The file.

    Raises:
        DataError: If it is no TMX, or declares entities, by which a file can unpack to any size.
        StorageError: If it can't be read.
    """
    units = _Units(path)
    with wrap_os_errors("read", path), open_source(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            units.feed(chunk)
            yield from units.taken()
        units.feed(b"", is_last=True)
        yield from units.taken()


class _Units:
    """Collects units from the events of a parser."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: deque[TextLine] = deque()
        self._number = 0
        self._root = ""
        self._language = ""
        self._texts: dict[str, str] = {}
        self._parts: list[str] | None = None
        self._size = self._codes = 0
        self._is_too_long = False
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._entity

    def feed(self, chunk: bytes, *, is_last: bool = False) -> None:
        try:
            self._parser.Parse(chunk, is_last)
        except expat.ExpatError as error:
            raise DataError(f"{self._path} is no TMX", seen=error, fix=_FIX) from error

    def taken(self) -> Iterator[TextLine]:
        while self._done:
            yield self._done.popleft()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._root:
            self._root = name
            if name != "tmx":
                raise DataError(f"{self._path} is no TMX", seen=f"it is <{name}>", fix=_FIX)
        if name == "tu":
            self._number += 1
            self._texts, self._is_too_long = {}, False
        elif name == "tuv":
            self._language = next((attributes[k] for k in _LANGUAGE if k in attributes), "")
        elif name == "seg":
            self._parts, self._size, self._codes = [], 0, 0
        elif name in _CODES:
            self._codes += 1

    def _text(self, text: str) -> None:
        if self._parts is None or self._codes:
            return
        self._size += len(text)
        if self._size > MAX_LINE_BYTES:
            self._is_too_long = True
        else:
            self._parts.append(text)

    def _end(self, name: str) -> None:
        if name in _CODES:
            self._codes -= 1
        elif name == "seg" and self._parts is not None:
            code = known_code(self._language)
            if code is not None and code not in self._texts:
                self._texts[code] = " ".join("".join(self._parts).split())
            self._parts = None
        elif name == "tu":
            self._done.append(self._unit())

    def _unit(self) -> TextLine:
        if self._is_too_long:
            return TextLine(self._number, fault=TextFault.TOO_LONG)
        if not self._texts:
            return TextLine(self._number, fault=TextFault.NO_LANGUAGE, detail=self._language)
        return TextLine(self._number, self._texts)

    def _entity(self, name: str, *_: object) -> None:
        raise DataError(f"{self._path} declares entities", seen=name, fix="Write their text out.")
