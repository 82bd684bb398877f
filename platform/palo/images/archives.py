"""Archives of images, a zip or an uncompressed tar, read in place through an index.

The index is made once: a sorted Arrow file, mapped into memory. A process opens it in milliseconds
for any number of members, and all processes of a machine share its pages; from S3 it is read whole.
If several members have one name the last counts, as for all programs that unpack archives.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa

from palo import storage
from palo.errors import DataError, ImageError, PaloError
from palo.images.archive_members import (
    BLOCK_BYTES,
    BrokenMemberError,
    BrokenTarError,
    Member,
    TarScan,
    is_header,
    read_member,
    zip_members,
)
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

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
_COMPRESSED = {
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ\0": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"\x04\x22\x4d\x18": "unlz4",
}
_AHEAD_BYTES = 4 << 20
_ZIP_STARTS = (b"PK\3\4", b"PK\5\6")


def member_name(name: str) -> str | None:
    """Returns a member's name as rows of a source write it; None if no row can name it.

    Args:
        name: As the archive writes it.
    """
    if len(name) > _LONGEST_NAME:
        return None
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        return None
    return str(pure)


def index_path(folder: Path, archive: str, stamp: tuple[int, int]) -> Path:
    """Returns the path of an archive's index.

    Args:
        folder: Folder of the indexes.
        archive: The archive's path.
        stamp: Its size and time of change: an archive that changed has another index.
    """
    key = f"{_VERSION}\n{archive}\n{stamp[0]}\n{stamp[1]}"
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.arrow"


def write_index(path: Path, members: Mapping[str, Member]) -> None:
    """Writes the index of an archive, whole or not at all.

    Args:
        path: Where to write it.
        members: The members by name.

    Raises:
        StorageError: If it can't be written.
    """
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
        """Returns a member; None if the archive has none of that name.

        Args:
            name: As rows of a source write it.
        """
        names = self._table.column("name")
        position = bisect_left(range(len(names)), name, key=lambda row: str(names[row].as_py()))
        if position == len(names) or names[position].as_py() != name:
            return None
        return Member(*(self._table.column(field)[position].as_py() for field in Member._fields))


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexTask:
    """An archive to index.

    Attributes:
        archive: Its path.
        indexes: Folder of the indexes.
    """

    archive: str
    indexes: Path


def index_archive(task: IndexTask) -> dict[str, Any]:
    """Writes the index of an archive, unless there is one.

    Args:
        task: The archive and the folder of its index.

    Returns:
        name of the index.

    Raises:
        DataError: If the file is no archive, is damaged, or is compressed as a whole.
        StorageError: If it can't be read, or the index not be written.
    """
    path = storage.path_of(task.archive)
    with storage.wrap_os_errors("read", path):
        stat = path.stat()
        index = index_path(task.indexes, task.archive, (stat.st_size, stat.st_mtime_ns))
        if not index.exists():
            write_index(index, _members(path, stat.st_size))
    return {"name": index.name}


def check_archive(path: Path) -> None:
    """Looks at the beginning of a file that is to hold images.

    Args:
        path: The file.

    Raises:
        DataError: If it begins as no archive does, or is compressed as a whole.
        StorageError: If it can't be read.
    """
    with storage.wrap_os_errors("read", path):
        _is_tar(path, path.stat().st_size)


def _is_tar(path: Path, size: int) -> bool:
    """Returns whether an archive is a tar; else it is a zip."""
    head = storage.read_range(path, 0, BLOCK_BYTES)
    for magic, command in _COMPRESSED.items():
        if head.startswith(magic):
            raise DataError(
                "images can't be read out of a compressed archive, since no member can be "
                "reached without reading all before it",
                seen=path,
                fix=f"Decompress it ({command}) and name the .tar, or use a zip.",
            )
    is_tar = is_header(head) or (size >= BLOCK_BYTES and not any(head))
    if not is_tar and not head.startswith(_ZIP_STARTS):
        _Members(path).refuse(f"it begins with {head[:8]!r}", "Name a folder, a zip or a tar.")
    return is_tar


def _members(path: Path, size: int) -> dict[str, Member]:
    members = _Members(path)
    if _is_tar(path, size):
        with storage.open_ranges(path, _AHEAD_BYTES) as file:
            _list_tar(file, size, members)
    else:
        with path.open("rb") as opened:
            _list_zip(opened, members)
    return members.found


class _Members:
    def __init__(self, path: Path) -> None:
        self.found: dict[str, Member] = {}
        self._path = path

    def add(self, name: str | None, member: Member) -> None:
        """Takes the next member; None is a name that rows can't name."""
        if name is None:
            return
        self.found[name] = member
        if len(self.found) > MAX_MEMBERS:
            self.refuse(f"it has more than {MAX_MEMBERS:,} members", "Split it, or unpack it.")

    def refuse(self, seen: object, fix: str = "Download or make it again.") -> NoReturn:
        raise DataError(
            "the archive of images can't be read", seen=f"{self._path}: {seen}", fix=fix
        )


def _list_tar(file: storage.Ranges, size: int, members: _Members) -> None:
    try:
        for entry in TarScan(file, size).entries():
            target = member_name(entry.target) or ""
            member = entry.member or members.found.get(target, Member("link"))
            members.add(member_name(entry.name), member)
    except BrokenTarError as error:
        members.refuse(error)


def _list_zip(file: BinaryIO, members: _Members) -> None:
    try:
        for name, member in zip_members(file):
            members.add(member_name(name), member)
    except PaloError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds for damaged directories
        members.refuse(str(error) or type(error).__name__)


class Archive:
    """An archive of images that is open for reading.

    Args:
        path: The archive.
        index: Its index.
    """

    def __init__(self, path: str, index: Path) -> None:
        self._index = ArchiveIndex(index)
        self._file = storage.open_ranges(storage.path_of(path))

    def read(self, name: str, limits: ImageLimits) -> bytes:
        """Reads a member.

        Args:
            name: As rows of a source write it.
            limits: How large it may be.

        Raises:
            ImageError: If there is none, it can't be read, or it is too large.
        """
        member = self._index.find(name)
        if member is None:
            raise ImageError(Reason.IMAGE_MISSING, fix="Check the path.")
        if member.form in ("encrypted", "link", "unsupported"):
            seen = "packed in an unsupported way" if member.form == "unsupported" else member.form
            raise ImageError(Reason.IMAGE_UNREADABLE, seen=seen, fix="Unpack the archive.")
        size = max(member.num_bytes, member.stored_bytes)
        if size > limits.max_file_bytes:
            raise ImageError(Reason.IMAGE_FILE_TOO_LARGE, seen=f"{size} bytes")
        try:
            return read_member(self._file, member)
        except BrokenMemberError as error:
            raise ImageError(Reason.IMAGE_UNREADABLE, seen=error) from error


@lru_cache(maxsize=8)
def open_archive(path: str, stamp: tuple[int, int], indexes: Path) -> Archive:
    """Opens an archive once in a process.

    Args:
        path: The archive.
        stamp: Its size and time of change: one that changed is opened again.
        indexes: Folder of the indexes.

    Raises:
        FileNotFoundError: If there is no index of what the archive holds now.
    """
    return Archive(path, index_path(indexes, path, stamp))
