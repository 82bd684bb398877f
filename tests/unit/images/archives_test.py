import contextlib
import hashlib
import io
import os
import struct
import tarfile
import zipfile

import pytest

from palo import storage
from palo.corpus.images_step.image_files import image_root, read_image, stamp_of
from palo.corpus.images_step.worker import identify
from palo.data.records import Origin, Record, parse_llava
from palo.errors import DataError, ImageError, StorageError
from palo.images import archives
from palo.images.archives import ArchiveIndex, IndexTask, index_archive
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

LONG = "deep/" * 60 + "long.png"
FILES = {"a.png": b"first", "coco/train/b.png": b"second" * 999, "नमस्ते/ж.png": b"third", LONG: b"4"}


def write_zip(path, files, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in files:
            archive.writestr(name, data)


def write_tar(path, files, form=tarfile.PAX_FORMAT, mode="w"):
    with tarfile.open(path, mode, format=form) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


WRITERS = {
    "stored.zip": lambda path, files: write_zip(path, files),
    "deflated.zip": lambda path, files: write_zip(path, files, compression=zipfile.ZIP_DEFLATED),
    "pax.tar": write_tar,
    "gnu.tar": lambda path, files: write_tar(path, files, tarfile.GNU_FORMAT),
}


@pytest.fixture(params=WRITERS)
def make(request, tmp_path):
    """Writes an archive of the kind in turn and indexes it."""

    def write(files):
        path = tmp_path / request.param
        WRITERS[request.param](path, files)
        indexed(path)
        return path

    return write


def indexed(path):
    index_archive(IndexTask(archive=str(path), indexes=path.parent / "indexes"))
    return path


def read(path, name, **limits):
    return read_image(f"{image_root(path)}/{name}", path.parent / "indexes", ImageLimits(**limits))


def fault_of(path, name, **limits):
    with pytest.raises(ImageError) as caught:
        read(path, name, **limits)
    assert str(path) in caught.value.seen
    return Reason(caught.value.fact)


def refusal(path):
    with pytest.raises(DataError) as caught:
        indexed(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_member_is_read_in_place(make):
    path = make(FILES.items())
    for name, data in FILES.items():
        assert read(path, name) == data
    assert fault_of(path, "coco/train/c.png") is Reason.IMAGE_MISSING
    assert fault_of(path, "coco") is Reason.IMAGE_MISSING


def test_an_image_has_the_same_id_as_in_a_folder(make, tmp_path):
    path = make(FILES.items())
    row = identify(f"{image_root(path)}/a.png", tmp_path / "indexes", ImageLimits())
    assert row["image_id"] == hashlib.sha256(b"first").hexdigest()
    assert (row["num_bytes"], row["modified_ns"]) == (path.stat().st_size, path.stat().st_mtime_ns)


def test_a_changed_archive_is_noticed_and_read_anew(make):
    path = make([("a.png", b"old")])
    image = f"{image_root(path)}/a.png"
    assert read(path, "a.png") == b"old"
    before = stamp_of(image)
    make([("b.png", b"more"), ("a.png", b"new")])
    assert stamp_of(image) != before
    assert read(path, "a.png") == b"new"
    os.utime(path, ns=(1, 1))
    assert fault_of(path, "a.png") is Reason.IMAGE_UNREADABLE
    path.unlink()
    with pytest.raises(ImageError, match="the archive changed during the build"):
        read_image(image, path.parent / "indexes", ImageLimits())
    assert stamp_of(image) == (-1, -1)


def test_an_archive_is_opened_and_indexed_once(make, monkeypatch):
    path = make([(f"{number}.png", b"data") for number in range(20)])
    opened = archives.open_archive.cache_info().misses
    for number in range(20):
        read(path, f"{number}.png")
    assert archives.open_archive.cache_info().misses == opened + 1
    monkeypatch.setattr(archives, "_members", None)
    indexed(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_with_one_name_the_last_counts(make):
    path = make([("a.png", b"one"), ("./a.png", b"two"), ("b.png", b"x"), ("b.png", b"y")])
    assert (read(path, "a.png"), read(path, "b.png")) == (b"two", b"y")


def test_names_that_leave_the_archive_are_never_reached(make):
    evil = ("../evil.png", "/etc/evil.png", "a/../../evil.png", "a//../evil.png")
    path = make([("good.png", b"good"), *((name, b"evil") for name in evil)])
    index = ArchiveIndex(next((path.parent / "indexes").iterdir()))
    assert index.find("good.png") is not None
    origin = Origin(source="s", language="en", image_folder=image_root(path), languages=("en",))
    for name in evil:
        assert index.find(name) is None
        assert index.find(name.lstrip("/")) is None
        assert parse(name, origin).reason is Reason.IMAGE_OUTSIDE
        assert fault_of(path, name) is Reason.IMAGE_MISSING


def test_a_row_reaches_into_its_own_archive_only(make):
    path = make([("a.png", b"data")])
    origin = Origin(source="s", language="en", image_folder=image_root(path), languages=("en",))
    assert parse("./a.png", origin).image == f"{path}//a.png"
    folder = Origin(source="s", language="en", image_folder=str(path.parent), languages=("en",))
    record = parse(f"{path.name}//a.png", folder)
    assert isinstance(record, Record)
    assert record.image == f"{path}/a.png"
    with pytest.raises(ImageError) as caught:
        read_image(record.image, path.parent / "indexes", ImageLimits())
    assert caught.value.fact == Reason.IMAGE_UNREADABLE


def parse(name, origin):
    turns = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "x"}]
    return parse_llava({"id": 1, "image": name, "conversations": turns}, origin)


def test_a_member_that_says_it_is_large_is_not_read(make):
    path = make([("a.png", bytes(2000))])
    assert fault_of(path, "a.png", max_file_bytes=1999) is Reason.IMAGE_FILE_TOO_LARGE
    assert len(read(path, "a.png", max_file_bytes=2000)) == 2000


def patched(path, position, values):
    """Overwrites a field of the only member's entry in a zip's central directory."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\1\2") + position
    data[start : start + len(values)] = values
    path.write_bytes(data)
    return indexed(path)


def one_zip(tmp_path, compression=zipfile.ZIP_DEFLATED):
    path = tmp_path / "one.zip"
    write_zip(path, [("a.png", bytes(50_000_000))], compression=compression)
    return path


def test_a_bomb_is_not_inflated_beyond_what_it_says(tmp_path):
    path = patched(one_zip(tmp_path), 24, struct.pack("<I", 1000))
    assert path.stat().st_size < 100_000
    with pytest.raises(ImageError, match="larger than the 1000 bytes that it says"):
        read(path, "a.png")


@pytest.mark.parametrize(
    ("position", "values", "seen"),
    [
        (8, b"\1\0", "encrypted"),
        (10, b"\x0c\0", "packed in an unsupported way"),
        (16, b"\0\0\0\0", "not those that the archive's directory describes"),
        (20, struct.pack("<I", 40_000_000), "ends before it does"),
        (42, struct.pack("<I", 0xFFFF0000), "ends before it does"),
        (42, struct.pack("<I", 8), "header in the archive is damaged"),
    ],
)
def test_a_member_that_can_not_be_read_has_a_reason(tmp_path, position, values, seen):
    path = patched(one_zip(tmp_path), position, values)
    with pytest.raises(ImageError, match=seen) as caught:
        read(path, "a.png")
    assert caught.value.fact == Reason.IMAGE_UNREADABLE


def test_a_damaged_stream_has_a_reason(tmp_path):
    path = one_zip(tmp_path)
    data = bytearray(path.read_bytes())
    data[60:80] = b"\xff" * 20
    path.write_bytes(data)
    assert fault_of(indexed(path), "a.png") is Reason.IMAGE_UNREADABLE


def test_links_are_not_followed_out_of_an_archive(tmp_path):
    path = tmp_path / "links.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("real.png")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"real"))
        for name, kind, target in [
            ("hard.png", tarfile.LNKTYPE, "real.png"),
            ("lost.png", tarfile.LNKTYPE, "/etc/passwd"),
            ("soft.png", tarfile.SYMTYPE, "/etc/passwd"),
            ("pipe.png", tarfile.FIFOTYPE, ""),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    indexed(path)
    assert read(path, "hard.png") == b"real"
    assert fault_of(path, "lost.png") is Reason.IMAGE_UNREADABLE
    assert fault_of(path, "soft.png") is Reason.IMAGE_UNREADABLE
    assert fault_of(path, "pipe.png") is Reason.IMAGE_MISSING
    linked = tmp_path / "linked.zip"
    info = zipfile.ZipInfo("soft.png")
    info.external_attr = 0o120777 << 16
    write_zip(linked, [(info, b"/etc/passwd")])
    assert fault_of(indexed(linked), "soft.png") is Reason.IMAGE_UNREADABLE


def test_names_in_utf_8_that_do_not_say_so_are_found(tmp_path):
    path = tmp_path / "names.zip"
    write_zip(path, [("ж.png", b"data")])
    data = path.read_bytes().replace(b"\x00\x08\x00\x00", b"\x00\x00\x00\x00")
    path.write_bytes(data)
    assert read(indexed(path), "ж.png") == b"data"


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_says_to_decompress_it(tmp_path, mode):
    path = tmp_path / "images.tar"
    write_tar(path, FILES.items(), mode=mode)
    assert "no member can be reached without reading all before it" in refusal(path)


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("kind", WRITERS)
def test_an_archive_that_is_cut_off_is_refused(tmp_path, kind, kept):
    path = tmp_path / kind
    WRITERS[kind](path, [(f"{number}.png", os.urandom(3000)) for number in range(20)])
    size = path.stat().st_size
    if kind.endswith("tar"):
        size = len(path.read_bytes().rstrip(b"\0"))
    os.truncate(path, int(size * kept))
    assert "can't be read" in refusal(path)


def test_a_tar_without_its_end_mark_is_refused(tmp_path):
    path = tmp_path / "images.tar"
    write_tar(path, [("a.png", bytes(512))])
    os.truncate(path, 1024 + 512 * (path.read_bytes()[156:157] == b"x") * 2)
    assert "cut off" in refusal(path)


@pytest.mark.parametrize("data", [b"", b"{}", b"PK\3\4", b"\x89PNG" * 500])
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "images.zip"
    path.write_bytes(data)
    assert "can't be read" in refusal(path)


@pytest.mark.parametrize("kind", WRITERS)
def test_damaged_archives_end_as_a_reason_or_one_error(tmp_path, kind):
    """Flips bytes everywhere: nothing but our own errors may come out."""
    files = [(f"{number}.png", bytes([number]) * 40) for number in range(3)] + [(LONG, b"x")]
    WRITERS[kind](tmp_path / kind, files)
    whole = (tmp_path / kind).read_bytes().rstrip(b"\0") + bytes(1024)
    for position in range(0, len(whole), 23):
        path = tmp_path / f"{position}-{kind}"
        data = bytearray(whole)
        data[position] ^= 0xFF
        path.write_bytes(data)
        try:
            indexed(path)
        except DataError:
            continue
        for name, _ in files:
            with contextlib.suppress(ImageError):
                read(path, name)


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    for kind, write in WRITERS.items():
        write(tmp_path / kind, FILES.items())
        assert "more than 3 members" in refusal(tmp_path / kind)


def test_a_tar_of_a_huge_header_is_refused(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    path = tmp_path / "images.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    assert "a header of 1099511627776 bytes" in refusal(path)


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="it is no file") as caught:
        read_image(str(tmp_path / "pipe.png"), tmp_path, ImageLimits())
    assert caught.value.fact == Reason.IMAGE_UNREADABLE


@pytest.mark.parametrize("kind", WRITERS)
def test_an_archive_on_s3_is_read_in_place(bucket, kind):
    files = list(FILES.items())
    files.append(("large.png", bytes(range(256)) * 20_000))
    with storage.replacing(bucket / "images" / kind) as partial:
        WRITERS[kind](partial, files)
    archive = indexed(bucket / "images" / kind)
    for name, data in files:
        assert read(archive, name) == data
    assert fault_of(archive, "absent.png") == Reason.IMAGE_MISSING
    row = identify(f"{image_root(archive)}/a.png", archive.parent / "indexes", ImageLimits())
    assert row["image_id"] == hashlib.sha256(b"first").hexdigest()
    stat = archive.stat()
    assert (row["num_bytes"], row["modified_ns"]) == (stat.st_size, stat.st_mtime_ns)


def test_images_in_a_folder_on_s3(bucket, tmp_path):
    (bucket / "photos" / "coco" / "ein Bild.png").write_bytes(b"image")
    folder = image_root(bucket / "photos")
    limits = ImageLimits(max_file_bytes=7)
    assert read_image(f"{folder}/coco/ein Bild.png", tmp_path, limits) == b"image"
    for name, reason in (("absent.png", Reason.IMAGE_MISSING), ("coco", Reason.IMAGE_UNREADABLE)):
        with pytest.raises(ImageError) as caught:
            read_image(f"{folder}/{name}", tmp_path, limits)
        assert caught.value.fact == reason
    (bucket / "photos" / "large.png").write_bytes(b"12345678")
    with pytest.raises(ImageError, match="8 bytes"):
        read_image(f"{folder}/large.png", tmp_path, limits)


def test_a_missing_bucket_is_no_fault_of_an_image(bucket, tmp_path):
    folder = str(bucket).replace("bucket-", "gone-")
    with pytest.raises(StorageError, match="no such bucket"):
        read_image(f"{folder}/a.png", tmp_path, ImageLimits())
    with pytest.raises(StorageError, match="no such bucket"):
        identify(f"{folder}/a.png", tmp_path, ImageLimits())
