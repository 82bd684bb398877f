"""Members of uncompressed tar and zip archives: where they lie, and reading one of them.

A tar is scanned from header to header by our own reader: Python's tarfile takes a broken header for
the end of the archive without an error, reads headers of any size into memory (200 MB for 200 MB),
and is 2.5 to 3.5 times as slow over 50,000 members. A zip is listed by Python's zipfile.

Source:
    POSIX pax interchange format; GNU tar manual, "Basic Tar Format".
"""

import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from palo.storage import Ranges

BLOCK_BYTES = 512
_MAX_HEADER_BYTES = 1 << 20
_LENGTH_DIGITS = 8  # of a record of a pax header
_REGULAR = b"0\x007"
_WITHOUT_DATA = b"123456"


Form = Literal["plain", "stored", "deflated", "encrypted", "link", "unsupported"]
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1 | 0x40
_UTF8 = 0x800
_NAME_BYTES = 512
_ENDS_BEFORE = "the archive ends before it does"
_LARGEST = 1 << 62  # a damaged directory may hold numbers that an index can't


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


class BrokenTarError(Exception):
    """A tar can't be read on; the text says where and why."""


class TarMember(NamedTuple):
    """A member under the name that the tar gives it.

    Attributes:
        name: Its name.
        member: Where it lies; None for a hard link.
        target: For a hard link the name of an earlier member, which is the same file.
    """

    name: str
    member: Member | None
    target: str = ""


@dataclass(slots=True)
class _Extra:
    """What long-name and pax headers say of the member after them."""

    name: bytes | None = None
    target: bytes | None = None
    size: int | None = None
    sparse: bool = False


@dataclass(slots=True)
class TarScan:
    """Goes once through a tar.

    Attributes:
        file: It, open for reading.
        size: Its size in bytes.
    """

    file: Ranges
    size: int
    _offset: int = 0
    _extra: _Extra = field(default_factory=_Extra)

    def entries(self) -> Iterator[TarMember]:
        """Yields files and links in their order; folders and devices are no images.

        Raises:
            BrokenTarError: If a header is damaged, or the tar ends before its end mark.
        """
        while True:
            start = self._offset
            header = self._take(BLOCK_BYTES)
            if not any(header):
                return
            if not is_header(header):
                raise BrokenTarError(f"no valid header at byte {start}")
            kind = header[156:157]
            if kind in (b"L", b"K", b"x", b"g"):
                self._read_extra(kind, self._number(header[124:136]))
                continue
            if kind == b"S":
                self._skip_sparse_map(header)
            extra, self._extra = self._extra, _Extra()
            size = self._number(header[124:136]) if extra.size is None else extra.size
            data = self._offset
            if kind not in _WITHOUT_DATA:
                self._skip(size)
            entry = _entry(kind, header, extra, data, size)
            if entry is not None:
                yield entry

    def _take(self, count: int) -> bytes:
        data = self.file.read(self._offset, count)
        if len(data) < count:
            raise BrokenTarError(f"it is cut off at byte {self.size}")
        self._offset += count
        return data

    def _skip(self, count: int) -> None:
        if self._offset + count > self.size:
            raise BrokenTarError(f"it is cut off at byte {self.size}")
        self._offset += _blocks(count)

    def _number(self, digits: bytes) -> int:
        try:
            if digits[0] == 0x80:  # GNU's way to write sizes of 8 GiB and more
                return int.from_bytes(digits[1:])
            text = digits.split(b"\0", 1)[0].strip()
            number = int(text or b"0", 8)
        except ValueError:
            number = -1
        if number < 0:
            raise BrokenTarError(f"no valid size before byte {self._offset}")
        return number

    def _read_extra(self, kind: bytes, size: int) -> None:
        if kind == b"g":
            self._skip(size)
            return
        if size > _MAX_HEADER_BYTES:
            raise BrokenTarError(f"a header of {size} bytes before byte {self._offset}")
        data = self._take(_blocks(size))[:size]
        if kind == b"x":
            self._read_pax(data)
        elif kind == b"L":
            self._extra.name = data.split(b"\0", 1)[0]
        else:
            self._extra.target = data.split(b"\0", 1)[0]

    def _read_pax(self, data: bytes) -> None:
        """Reads records of the form `length key=value`, in place: a header may hold very many."""
        data = data.rstrip(b"\0")
        start = 0
        while start < len(data):
            try:
                space = data.index(b" ", start, start + _LENGTH_DIGITS)
                end = start + int(data[start:space])
                if not space < end <= len(data):
                    raise ValueError
                key, value = data[space + 1 : end - 1].split(b"=", 1)
                self._note(key, value)
            except ValueError:
                raise BrokenTarError(f"a damaged header before byte {self._offset}") from None
            start = end

    def _note(self, key: bytes, value: bytes) -> None:
        if key == b"path":
            self._extra.name = value
        elif key == b"linkpath":
            self._extra.target = value
        elif key == b"size":
            self._extra.size = int(value)
            if self._extra.size < 0:
                raise ValueError
        elif key.startswith(b"GNU.sparse"):
            self._extra.sparse = True

    def _skip_sparse_map(self, header: bytes) -> None:
        more = header[482]
        while more:
            more = self._take(BLOCK_BYTES)[504]


def is_header(block: bytes) -> bool:
    """Returns whether a block of 512 bytes is a member's header, by its checksum.

    Args:
        block: 512 bytes.
    """
    if len(block) < BLOCK_BYTES:
        return False
    try:
        wanted = int(block[148:156].split(b"\0", 1)[0].strip() or b"-1", 8)
    except ValueError:
        return False
    return wanted == sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")


def _entry(kind: bytes, header: bytes, extra: _Extra, data: int, size: int) -> TarMember | None:
    own = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    raw = extra.name if extra.name is not None else prefix + b"/" + own if prefix else own
    target = header[157:257].split(b"\0", 1)[0] if extra.target is None else extra.target
    if kind in (b"3", b"4", b"5", b"6") or raw.endswith(b"/"):
        return None
    try:
        name = raw.decode()
        if kind == b"1":
            return TarMember(name, None, target.decode())
    except UnicodeDecodeError:  # no row can name it
        return None
    if kind == b"2":
        return TarMember(name, Member("link"))
    if kind not in _REGULAR or extra.sparse:
        return TarMember(name, Member("unsupported"))
    return TarMember(name, Member("plain", data, size, size))


def _blocks(count: int) -> int:
    return -(-count // BLOCK_BYTES) * BLOCK_BYTES


class BrokenMemberError(Exception):
    """A member can't be read; the text says why."""


def zip_members(file: BinaryIO) -> Iterator[tuple[str, Member]]:
    """Yields the files of a zip under the names that it gives them, in the directory's order.

    Args:
        file: The archive, open for reading.

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
        raise BrokenMemberError("its bytes are not those that the archive's directory describes")
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
