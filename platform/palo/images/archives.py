"""Archives of images, a zip or an uncompressed tar, read in place.

Of several members with one name the last counts, as it does for every program that unpacks them.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from palo import storage
from palo.errors import DataError, ImageError, PaloError
from palo.images.archive_index import (
    MAX_MEMBERS,
    ArchiveIndex,
    Member,
    index_path,
    member_name,
    write_index,
)
from palo.images.limits import ImageLimits
from palo.images.tar_members import BLOCK_BYTES, BrokenTarError, TarScan, is_header
from palo.images.zip_members import BrokenMemberError, read_member, zip_members
from palo.reasons import Reason

_COMPRESSED = {
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ\0": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"\x04\x22\x4d\x18": "unlz4",
}
_AHEAD_BYTES = 4 << 20
_ZIP_STARTS = (b"PK\3\4", b"PK\5\6")


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


def _members(path: Path, size: int) -> dict[str, Member]:
    head = storage.read_range(path, 0, BLOCK_BYTES)
    for magic, command in _COMPRESSED.items():
        if head.startswith(magic):
            raise DataError(
                "images can't be read out of a compressed archive, since no member can be "
                "reached without reading all before it",
                seen=path,
                fix=f"Decompress it ({command}) and name the .tar, or use a zip.",
            )
    members = _Members(path)
    if is_header(head) or (size >= BLOCK_BYTES and not any(head)):
        with storage.open_ranges(path, _AHEAD_BYTES) as file:
            _list_tar(file, size, members)
    elif head.startswith(_ZIP_STARTS):
        with path.open("rb") as opened:
            _list_zip(opened, members)
    else:
        members.refuse(f"it begins with {head[:8]!r}", "Name a folder, a zip or a tar.")
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
