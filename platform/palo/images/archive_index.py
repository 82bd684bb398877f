"""What lies where in an archive of images: an index that is made once and searched in place.

It is a sorted Arrow file, mapped into memory: a process opens it in milliseconds however many
members there are, and all processes of a machine share its pages. From S3 it is read as a whole.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import pyarrow as pa

from palo import storage

MAX_MEMBERS = 10_000_000
_VERSION = 1
_LONGEST_NAME = 4096

_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("form", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("stored_bytes", pa.int64(), nullable=False),
        pa.field("num_bytes", pa.int64(), nullable=False),
        pa.field("checksum", pa.int64(), nullable=False),
    ]
)

Form = Literal["plain", "stored", "deflated", "encrypted", "link", "unsupported"]


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        form: plain: its bytes lie at the offset; stored, deflated: behind a zip header that is at
            the offset; encrypted, link, unsupported: it can't be read.
        offset: Place in the archive.
        stored_bytes: How many bytes it takes there.
        num_bytes: How many bytes it has.
        checksum: CRC-32 of its bytes; -1 where the archive has none.
    """

    form: Form
    offset: int = 0
    stored_bytes: int = 0
    num_bytes: int = 0
    checksum: int = -1


def member_name(name: str) -> str | None:
    """Returns a member's name as rows of a source write it; None if no row can name it."""
    if len(name) > _LONGEST_NAME:
        return None
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        return None
    return str(pure)


def index_path(folder: Path, archive: str, stamp: tuple[int, int]) -> Path:
    """Returns where the index of an archive lies.

    Args:
        folder: Folder of the indexes.
        archive: The archive's path.
        stamp: Its size and time of change: an archive that changed has another index.
    """
    key = f"{_VERSION}\n{archive}\n{stamp[0]}\n{stamp[1]}"
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.arrow"


def write_index(path: Path, members: Mapping[str, Member]) -> None:
    """Writes the index of an archive, whole or not at all."""
    names = sorted(members)
    columns = {"name": names} | {
        field: [getattr(members[name], field) for name in names] for field in Member._fields
    }
    table = pa.table(columns, schema=_SCHEMA)
    with (
        storage.replacing(path) as partial,
        pa.OSFile(str(partial), "wb") as file,
        pa.ipc.new_file(file, _SCHEMA) as writer,
    ):
        writer.write_table(table)


class ArchiveIndex:
    """Finds members by name.

    Args:
        path: The index.

    Raises:
        FileNotFoundError: If there is none.
    """

    def __init__(self, path: Path) -> None:
        with storage.open_mapped(path) as file:
            self._table = pa.ipc.open_file(file).read_all()

    def find(self, name: str) -> Member | None:
        """Returns a member; None if the archive has none of that name."""
        names = self._table.column("name")
        position = bisect_left(range(len(names)), name, key=lambda row: str(names[row].as_py()))
        if position == len(names) or names[position].as_py() != name:
            return None
        return Member(*(self._table.column(field)[position].as_py() for field in Member._fields))
