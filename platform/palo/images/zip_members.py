"""Lists what lies where in a zip by its central directory, and reads members of it."""

import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from palo.images.archive_index import Form, Member
from palo.storage import Ranges

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1 | 0x40
_UTF8 = 0x800
_NAME_BYTES = 512
_ENDS_BEFORE = "the archive ends before it does"
_LARGEST = 1 << 62  # a damaged directory may tell numbers that an index can't hold


class BrokenMemberError(Exception):
    """A member can't be read; the text says why."""


def zip_members(file: BinaryIO) -> Iterator[tuple[str, Member]]:
    """Yields the files of a zip under the names that it gives them, in the directory's order.

    Raises:
        Exception: Of many kinds, whatever zipfile raises for a damaged directory; BrokenMemberError
            if two of them share bytes, so that a small zip could hold any amount of data.
    """
    with ZipFile(file) as archive:
        infos = archive.infolist()
        _require_apart(infos)
        for info in infos:
            if not info.is_dir():
                sizes = (info.header_offset, info.compress_size, info.file_size)
                offset, stored, size = (min(number, _LARGEST) for number in sizes)
                yield _name(info), Member(_form(info), offset, stored, size, info.CRC)


def _require_apart(infos: Sequence[ZipInfo]) -> None:
    end, before = 0, ""
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise BrokenMemberError(f"{before!r:.60} and {info.filename!r:.60} overlap")
        end = info.header_offset + _LOCAL_HEADER.size + info.compress_size
        before = info.filename


def _form(info: ZipInfo) -> Form:
    if info.flag_bits & _ENCRYPTED:
        return "encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "link"
    forms: dict[int, Form] = {ZIP_STORED: "stored", ZIP_DEFLATED: "deflated"}
    return forms.get(info.compress_type, "unsupported")


def _name(info: ZipInfo) -> str:
    """Undoes zipfile's reading as code page 437, where a name is UTF-8 and doesn't say so."""
    if info.flag_bits & _UTF8 or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def read_member(file: Ranges, member: Member) -> bytes:
    """Reads a member of a zip or tar; takes no more memory than it stores and says it has.

    Args:
        file: The open archive.
        member: Where it lies; its form must be plain, stored or deflated.

    Raises:
        BrokenMemberError: If it is damaged, cut off, or larger than it says.
    """
    if member.form == "plain":
        return _exactly(file, member.offset, member.num_bytes)
    # Names and extra fields are short: one read nearly always gets all.
    read = file.read(member.offset, _LOCAL_HEADER.size + _NAME_BYTES + member.stored_bytes)
    if len(read) < _LOCAL_HEADER.size:
        raise BrokenMemberError(_ENDS_BEFORE)
    magic, name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(read)
    if magic != b"PK\3\4":
        raise BrokenMemberError("its header in the archive is damaged")
    start = _LOCAL_HEADER.size + name_bytes + extra_bytes
    data = read[start : start + member.stored_bytes]
    if len(data) < member.stored_bytes:
        data = _exactly(file, member.offset + start, member.stored_bytes)
    if member.form == "deflated":
        data = _inflated(data, member.num_bytes)
    if len(data) != member.num_bytes or zlib.crc32(data) != member.checksum:
        raise BrokenMemberError("its bytes are not those that the archive's directory tells")
    return data


def _exactly(file: Ranges, offset: int, count: int) -> bytes:
    data = file.read(offset, count)
    if len(data) != count:
        raise BrokenMemberError(_ENDS_BEFORE)
    return data


def _inflated(data: bytes, num_bytes: int) -> bytes:
    try:
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, num_bytes + 1)
    except zlib.error as error:
        raise BrokenMemberError(str(error)) from error
    if len(inflated) > num_bytes:
        raise BrokenMemberError(f"it is larger than the {num_bytes} bytes that it says")
    return inflated
