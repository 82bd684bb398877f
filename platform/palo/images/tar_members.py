"""Lists what lies where in an uncompressed tar, by hopping from header to header.

Python's tarfile takes a broken header for the end of the archive and reads headers of any size into
memory; here the first is an error and the second is bounded.

Source:
    POSIX pax interchange format; GNU tar manual, "Basic Tar Format".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from palo.images.archive_index import Member
from palo.storage import Ranges

BLOCK_BYTES = 512
_MAX_HEADER_BYTES = 1 << 20
_LENGTH_DIGITS = 8  # of a record of a pax header
_REGULAR = b"0\x007"
_WITHOUT_DATA = b"123456"


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
    """Tells whether a block of 512 bytes is a member's header, by its checksum."""
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
