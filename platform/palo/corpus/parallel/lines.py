"""Lines of parallel text, and what may be wrong with one."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

from palo import languages
from palo.corpus.sources.opened import open_source
from palo.corpus.sources.rows import UTF8_BOM
from palo.corpus.sources.splits import require_text
from palo.data.row_language import code_named
from palo.storage import wrap_os_errors

MAX_LINE_BYTES = 1 << 20
_HEAD_BYTES = 4096


class TextFault(StrEnum):
    """Why a line is left out; each value is a clause that reads well in a table."""

    EMPTY = "empty line"
    IDENTICAL = "source and target are the same"
    TOO_LONG = "line too long"
    TOO_SHORT = "too short to go on with"
    NOT_UTF8 = "not UTF-8"
    NOT_A_ROW = "not a row"
    NO_LANGUAGE = "no known language"
    NO_PIVOT = "not in the pivot language"


class TextLine(NamedTuple):
    """A line of a file, a row of a table, or a unit of a TMX file.

    Attributes:
        number: Its number in the file, from 1.
        texts: Its texts by ISO 639-1 code, without white space around them.
        fault: What is wrong with all of it.
        detail: What was seen.
    """

    number: int
    texts: Mapping[str, str] = {}
    fault: TextFault | None = None
    detail: str = ""


class TextFile(NamedTuple):
    """A file of parallel text, or several that are aligned line by line.

    Attributes:
        name: Its name, for ids and messages.
        paths: The files.
        read: Reads its lines.
    """

    name: str
    paths: tuple[Path, ...]
    read: Callable[[], Iterator[TextLine]]


def known_code(name: str) -> str | None:
    """Returns the ISO 639-1 code of a known language by any of its names, else None.

    Args:
        name: Such as `ur`, `urd`, `ur-PK`, `urd_Arab` or `Urdu`.
    """
    code = code_named(name, tuple(languages.every()))
    return code if languages.known(code) else None


def text_lines(path: Path) -> Iterator[str | TextFault]:
    """Yields the lines of a text file, perhaps compressed, without their ends, in bounded memory.

    Args:
        path: The file.

    Yields:
        Each line; what is wrong with one that is too long or no UTF-8.

    Raises:
        DataError: If the file is empty, UTF-16, or damaged gzip.
        StorageError: If it can't be read.
    """
    with wrap_os_errors("read", path):
        with open_source(path) as file:
            require_text(path, file.read(_HEAD_BYTES))
        with open_source(path) as file:
            is_first = True
            while line := file.readline(MAX_LINE_BYTES):
                if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                    _skip_line(file)
                    yield TextFault.TOO_LONG
                else:
                    yield _decoded(line.removeprefix(UTF8_BOM) if is_first else line)
                is_first = False


def _skip_line(file: BinaryIO) -> None:
    while (part := file.readline(MAX_LINE_BYTES)) and not part.endswith(b"\n"):
        pass


def _decoded(line: bytes) -> str | TextFault:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return TextFault.NOT_UTF8
