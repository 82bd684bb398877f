"""The parts of a workbook, looked at before a reader makes objects of them.

A workbook is a zip of XML: a few bytes of it unpack to gigabytes, or name an entity that does.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from palo import storage
from palo.errors import DataError

_MAX_PARTS = 2048
_MAX_BYTES = 256 << 20
_MAX_SMALL_BYTES = 2 << 20
"""Of all parts but those with the cells and their texts: styles, names, relations."""
_MAX_MARKS = 6_000_000
"""Tags and attributes: each becomes an object."""
_LARGE = ("xl/worksheets/", "xl/sharedstrings")
_CHUNK_BYTES = 1 << 20
_BEFORE_XML = b"\xef\xbb\xbf\xff\xfe \t\r\n\0"
_MARKS = (b"<", b'="', b"='")
# No program writes a document type into a workbook, and entities need one.
_TYPES = tuple("<!D".encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be"))


def require_modest(path: Path) -> None:
    """Refuses a workbook that unpacks to too much, or declares a document type.

    Raises:
        BadZipFile: If it is no zip, or a part is damaged.
        DataError: If it is such a one.
        StorageError: If it can't be read.
    """
    with storage.wrap_os_errors("read", path), zipfile.ZipFile(path) as packed:
        entries = packed.infolist()
        num_bytes = sum(entry.file_size for entry in entries)
        if len(entries) > _MAX_PARTS or num_bytes > _MAX_BYTES:
            raise _too_much(path, f"{len(entries):,} parts of {num_bytes:,} bytes")
        num_small = num_marks = 0
        for entry in entries:
            is_large = entry.filename.lower().startswith(_LARGE)
            for chunk in _xml_of(packed, entry):
                num_small += 0 if is_large else len(chunk)
                num_marks += sum(map(chunk.count, _MARKS))
                if num_small > _MAX_SMALL_BYTES:
                    raise _too_much(path, f"more than {_MAX_SMALL_BYTES:,} bytes besides its cells")
                if num_marks > _MAX_MARKS:
                    raise _too_much(path, f"more than {_MAX_MARKS:,} tags and attributes")
                if any(mark in chunk for mark in _TYPES):
                    raise DataError(
                        f"{path} declares a document type",
                        seen=entry.filename[:80],
                        fix="Save it again with a spreadsheet program.",
                    )


def _xml_of(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yields what a part unpacks to if it is XML, whatever its name.

    Each chunk begins with the last bytes of the one before, in which a mark may begin.
    """
    with packed.open(entry) as part:
        before = b""
        while data := part.read(_CHUNK_BYTES):
            if not before and not data.lstrip(_BEFORE_XML).startswith(b"<"):
                return
            yield before + data
            before = data[-5:]


def _too_much(path: Path, seen: str) -> DataError:
    return DataError(f"{path} unpacks to too much", seen=seen, fix="Split it into several files.")
