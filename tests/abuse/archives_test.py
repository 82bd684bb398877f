"""Archives of images that are made to take hours or gigabytes, or to reach what isn't theirs."""

import contextlib
import io
import shutil
import struct
import tarfile
import zipfile
import zlib

import pytest
from tests.abuse.linear_time import assert_linear_in_bytes

from palo.corpus.images_step.image_files import image_root, read_image
from palo.errors import DataError, ImageError
from palo.images.archives import IndexTask, index_archive
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

SIZES = 1 << 16, (1 << 20) - 1024
"""Bytes of a PAX header; one of 1 MiB is refused."""


def indexed(path):
    index_archive(IndexTask(archive=str(path), indexes=path.parent / "indexes"))
    return path


def indexed_anew(path):
    shutil.rmtree(path.parent / "indexes")
    return indexed(path)


def read(path, name, **limits):
    return read_image(f"{image_root(path)}/{name}", path.parent / "indexes", ImageLimits(**limits))


def header(name, size, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data):
    return data + bytes(-len(data) % 512)


def tar_of(*parts):
    return b"".join(parts) + bytes(1024)


def pax(data):
    return header("PaxHeader", len(data), tarfile.XHDTYPE) + padded(data)


PAX = {
    "short records": lambda size: b"6 a=b\n" * (size // 6),
    "names": lambda size: b"12 path=abc\n" * (size // 12),
    "sizes": lambda size: b"10 size=3\n" * (size // 10),
    "zeros": lambda size: b"6 a=b\n" + bytes(size),
    "one record": lambda size: b"%d a=%s\n" % (size, b"b" * (size - len(f"{size} a=\n"))),
}


@pytest.mark.parametrize("kind", PAX)
def test_pax_headers_are_read_in_linear_time(tmp_path, kind):
    def prepare(size):
        path = tmp_path / f"{size}.tar"
        path.write_bytes(tar_of(pax(PAX[kind](size)), header("a.png", 3), padded(b"abc")))
        assert read(indexed(path), "abc" if kind == "names" else "a.png") == b"abc"
        return lambda: indexed_anew(path)

    assert_linear_in_bytes(prepare, SIZES)


@pytest.mark.parametrize(
    "record",
    [
        b"6 a=b\n7 a=b\n",
        b"0 a=b\n",
        b"-6 a=b\n",
        b"9" * 5000 + b" a=b\n",
        b"1_0 size=3\n",
        b"6 ab\n",
        b"12 size=-3\n\n",
        b"5000013 size=" + b"9" * 5000 + b"\n",
        b" 6 a=b\n",
    ],
)
def test_damaged_pax_records_are_refused(tmp_path, record):
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(pax(record), header("a.png", 3), padded(b"abc")))
    with pytest.raises(DataError, match="can't be read"):
        indexed(path)


def test_what_is_no_file_of_a_tar_is_never_opened(tmp_path):
    kinds = {
        "symlink.png": (tarfile.SYMTYPE, "/etc/hostname"),
        "fifo.png": (tarfile.FIFOTYPE, ""),
        "character.png": (tarfile.CHRTYPE, ""),
        "block.png": (tarfile.BLKTYPE, ""),
        "hard.png": (tarfile.LNKTYPE, "/etc/hostname"),
        "up.png": (tarfile.LNKTYPE, "../../etc/hostname"),
    }
    path = tmp_path / "a.tar"
    headers = (header(name, 0, kind, target) for name, (kind, target) in kinds.items())
    path.write_bytes(tar_of(*headers, header("../out.png", 3), padded(b"abc")))
    indexed(path)
    for name in (*kinds, "../out.png", "out.png"):
        with pytest.raises(ImageError) as caught:
            read(path, name)
        assert caught.value.fact in (Reason.IMAGE_MISSING, Reason.IMAGE_UNREADABLE)


def test_sizes_that_a_tar_can_not_have_are_refused(tmp_path):
    path = tmp_path / "a.tar"
    for size in (1 << 30, (1 << 63) - 1, 1 << 80):
        block = bytearray(header("a.png", 0))
        block[124:136] = b"\x80" + size.to_bytes(11, "big")
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        path.write_bytes(tar_of(bytes(block)))
        with pytest.raises(DataError, match="cut off"):
            indexed(path)


def zip_of(members, data, *, offsets=None, sizes=None):
    """Returns a zip whose directory says what it is told to say of its members."""
    local = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, zlib.crc32(b""), len(data), 0, 1, 0
    ) + b"a" + data  # fmt: skip
    entries = b""
    for number, name in enumerate(members):
        stored, size = (sizes or [(len(data), 9)])[0]
        entries += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, stored, size, len(name), 0, 0, 0, 0, 0,
            (offsets or [0] * len(members))[number],
        ) + name  # fmt: skip
    count = min(len(members), 0xFFFF)
    return local + entries + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entries), len(local), 0
    )  # fmt: skip


def test_members_of_a_zip_that_share_bytes_are_refused(tmp_path):
    """A small zip may hold any amount of data where its members overlap."""
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of([b"%d.png" % n for n in range(1000)], zlib.compress(bytes(1 << 20))))
    with pytest.raises(DataError, match="overlap"):
        indexed(path)
    path.write_bytes(zip_of([b"0.png", b"1.png"], bytes(100), offsets=[0, 60]))
    with pytest.raises(DataError, match="overlap"):
        indexed(path)


def test_a_member_that_unpacks_to_too_much_is_not_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("says.png", bytes(1 << 24))
        archive.writestr("lies.png", bytes(1 << 24))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"lies.png") - 46
    assert data[at : at + 4] == b"PK\1\2"
    data[at + 24 : at + 28] = struct.pack("<L", 100)
    path.write_bytes(data)
    indexed(path)
    with pytest.raises(ImageError, match=Reason.IMAGE_FILE_TOO_LARGE):
        read(path, "says.png", max_file_bytes=1 << 20)
    with pytest.raises(ImageError, match="larger than the 100 bytes"):
        read(path, "lies.png", max_file_bytes=1 << 20)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_no_row_can_say_are_left_out(tmp_path, kind):
    names = ["a" * 60_000, "../out.png", "/etc/out.png", "a/" * 3000 + "b.png", "in.png"]
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"abc")
    else:
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = 3
                archive.addfile(info, io.BytesIO(b"abc"))
    indexed(path)
    assert read(path, "in.png") == b"abc"
    for name in names[:-1]:
        with pytest.raises(ImageError):
            read(path, name)


def test_directories_of_nonsense_end_with_a_reason(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.png", "b.png"):
            archive.writestr(name, b"abc")
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        with contextlib.suppress(DataError, ImageError):
            indexed(path)
            read(path, "a.png")
