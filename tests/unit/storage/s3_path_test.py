"""A path on S3 does what a local path does, and is never taken for one."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from palo import storage
from palo.errors import MismatchError, StorageError
from palo.storage import S3Path

PATH = S3Path("s3://b1/a/b.tar.gz?endpoint_override=127.0.0.1:9000&scheme=http")
QUERY = "?endpoint_override=127.0.0.1:9000&scheme=http"


def test_names_are_those_of_a_path_and_keep_the_store() -> None:
    assert (PATH.name, PATH.stem, PATH.suffix) == ("b.tar.gz", "b.tar", ".gz")
    assert str(PATH.parent / "c" / "d") == f"s3://b1/a/c/d{QUERY}"
    assert str(PATH.with_name("c")) == f"s3://b1/a/c{QUERY}"
    assert str(PATH.with_suffix(".zst")) == f"s3://b1/a/b.tar.zst{QUERY}"
    assert str(PATH.parent.parent.parent) == f"s3://b1{QUERY}"
    assert PATH.joinpath("c", Path("d")) == PATH / "c/d"
    assert [path.place.key for path in PATH.parents] == ["a", ""]
    assert PATH.relative_to(PATH.parents[1]) == Path("a/b.tar.gz")
    with pytest.raises(ValueError, match="is not below"):
        PATH.relative_to(Path("a"))
    assert PATH.resolve() == PATH.absolute() == PATH
    assert PATH.is_absolute()
    assert isinstance(PATH, Path)


def test_an_s3_path_is_no_other_path() -> None:
    assert PATH == storage.path_of(str(PATH)) == storage.path_of(Path(str(PATH)))
    assert pickle.loads(pickle.dumps(PATH)) == PATH
    assert Path("runs") / PATH == PATH
    assert len({PATH, S3Path(str(PATH)), Path(str(PATH)), S3Path("s3://b1/a/b.tar.gz")}) == 3
    assert sorted([S3Path("s3://b/a-1"), S3Path("s3://b/a/1"), S3Path("s3://b/a")]) == [
        S3Path("s3://b/a"),
        S3Path("s3://b/a/1"),
        S3Path("s3://b/a-1"),
    ]


def test_a_library_that_wants_a_local_path_fails_loudly() -> None:
    for use in (os.fspath, os.listdir, Path.touch, zipfile.ZipFile):
        with pytest.raises(StorageError, match=r"on a disk of this machine: s3://b1.*Copy"):
            use(PATH)
    with pytest.raises(ValueError, match=r"write with storage\.replacing"):
        PATH.open("wb")


def test_local_texts_stay_local_paths() -> None:
    assert type(storage.path_of("a/s3://b")) is type(Path("a"))
    assert storage.path_of("runs/nano") == Path("runs/nano")


def test_what_lies_beside_a_folder_is_named_from_it() -> None:
    corpus, store = PATH.parent / "corpus", PATH.parent / "images"
    assert storage.relative_text(store, corpus) == "../images"
    assert storage.follow(corpus, "../images") == store
    other = S3Path("s3://other/images")
    for folder in (corpus, Path("/corpus")):
        assert storage.relative_text(other, folder) == "s3://other/images"
        assert storage.follow(folder, "s3://other/images") == other
    assert storage.follow(corpus, storage.relative_text(Path("/images"), corpus)) == Path("/images")


def test_bytes_and_texts_come_back(bucket: S3Path) -> None:
    path = bucket / "folder" / "ein Bild?.bin"
    assert not path.exists()
    storage.write_bytes(path, memoryview(b"0123456789"))
    assert path.is_file()
    assert path.parent.is_dir()
    assert not path.parent.is_file()
    assert storage.read_bytes(path) == b"0123456789"
    assert storage.read_range(path, 2, 3) == b"234"
    assert storage.read_range(path, 8, 10) == b"89"
    assert storage.read_range(path, 10, 1) == storage.read_range(path, 3, 0) == b""
    storage.write_json(bucket / "a.json", {"text": "বাংলা"})
    assert storage.read_json(bucket / "a.json") == {"text": "বাংলা"}
    (bucket / "a.jsonl").write_text("1\n\n2\n")
    assert list(storage.read_json_lines(bucket / "a.jsonl")) == [(1, 1), (3, 2)]
    assert (
        storage.file_hash(path)
        == "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
    )


def test_lists_are_those_of_a_folder(bucket: S3Path) -> None:
    for name in ("b.txt", "a.txt", "deep/c.txt", "deep/er/d.txt", "deep/er/e.bin"):
        (bucket / "top" / name).write_bytes(b"abc")
    top = bucket / "top"
    assert [path.name for path in top.iterdir()] == ["a.txt", "b.txt", "deep"]
    assert [path.name for path in top.glob("*.txt")] == ["a.txt", "b.txt"]
    assert [str(path.place.key) for path in top.glob("*/*/*.txt")] == ["top/deep/er/d.txt"]
    assert [path.name for path in top.rglob("*.txt")] == ["a.txt", "b.txt", "c.txt", "d.txt"]
    assert storage.file_sizes(top) == {"a.txt": 3, "b.txt": 3}
    assert storage.file_sizes(bucket / "to") == {}
    assert not (bucket / "to").exists()
    assert list(bucket.iterdir()) == [top]


def test_long_lists_come_page_by_page(bucket: S3Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    names = [f"{number:02d}" for number in range(8)]
    for name in names:
        (bucket / "many" / name).write_bytes(b"")
    assert list(storage.file_sizes(bucket / "many")) == names
    storage.remove(bucket / "many")
    assert not (bucket / "many").exists()


def test_removing_takes_objects_and_whole_folders_and_nothing_else(bucket: S3Path) -> None:
    for name in ("a/1", "a/b/2", "ab"):
        (bucket / name).write_bytes(b"")
    storage.remove(bucket / "a")
    storage.remove(bucket / "absent")
    assert [path.name for path in bucket.rglob("*")] == ["ab"]
    storage.remove(bucket / "ab")
    assert list(bucket.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        (bucket / "ab").unlink()


def test_the_stamp_of_an_object_tells_a_change_within_a_second(bucket: S3Path) -> None:
    path = bucket / "a.txt"
    stamps = set()
    for text in ("one", "two"):
        path.write_text(text)
        stamps.add((path.stat().st_size, path.stat().st_mtime_ns))
    assert len(stamps) == 2
    assert path.stat().st_mtime == pytest.approx(path.stat().st_mtime_ns / 1e9)
    with pytest.raises(FileNotFoundError):
        (bucket / "absent").stat()


def test_a_file_is_read_like_a_local_one(bucket: S3Path) -> None:
    content = b"".join(b"line %d\n" % number for number in range(1000))
    (bucket / "a.txt").write_bytes(content)
    with (bucket / "a.txt").open("rb") as file:
        assert file.readline() == b"line 0\n"
        assert file.seek(-9, io.SEEK_END) == len(content) - 9
        assert file.read() == content[-9:]
        file.seek(0)
        assert list(file) == content.splitlines(keepends=True)
    with (bucket / "a.txt").open(encoding="utf-8") as text:
        assert text.readline() == "line 0\n"
    with storage.replacing(bucket / "a.zip") as partial, zipfile.ZipFile(partial, "w") as archive:
        archive.writestr("member", content)
    with (bucket / "a.zip").open("rb") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("member") == content
    with storage.open_ranges(bucket / "a.txt", ahead_bytes=100) as ranges:
        assert [ranges.read(start, 4) for start in (0, 7, 500, 98)] == [
            content[start : start + 4] for start in (0, 7, 500, 98)
        ]
    with pytest.raises(FileNotFoundError):
        storage.open_ranges(bucket / "absent")


def test_a_block_that_breaks_off_leaves_the_old_object(bucket: S3Path) -> None:
    path = bucket / "a.txt"
    path.write_text("old")

    def break_off() -> None:
        with storage.replacing(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert path.read_text() == "old"
    assert list(bucket.iterdir()) == [path]


def test_a_writable_folder_is_left_empty(bucket: S3Path) -> None:
    assert storage.ensure_folder(bucket / "new") == bucket / "new"
    assert list(bucket.rglob("*")) == []


def test_parquet_comes_back_whole_in_part_and_by_row_groups(bucket: S3Path) -> None:
    schema = pa.schema(
        [pa.field("name", pa.string(), nullable=False), pa.field("size", pa.int32())]
    )
    rows = [{"name": f"row {number}", "size": number} for number in range(1000)]
    table = pa.Table.from_pylist(rows, schema=schema)
    path = bucket / "a.parquet"
    storage.write_table(path, table, rows_per_group=100)
    assert storage.read_table(path, schema=schema).equals(table)
    assert storage.read_table(path, ["size"]).column_names == ["size"]
    assert len(storage.read_table(path, filters=[("size", ">=", 990)])) == 10
    with storage.open_parquet(path, schema) as file:
        assert file.read_row_group(3).column("size").to_pylist() == list(range(300, 400))
    with pytest.raises(MismatchError):
        storage.read_table(path, schema=pa.schema([("size", pa.int32())]))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match="is damaged"):
        storage.read_table(path)
    with pytest.raises(StorageError, match=r"can't read s3://.*absent.*No such object"):
        storage.read_table(bucket / "absent")


def test_the_environments_endpoint_is_used(bucket: S3Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bucket / "a.txt").write_text("here")
    place = bucket.place
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{place.endpoint}")
    assert S3Path(f"s3://{place.bucket}/a.txt").read_text() == "here"
    host, port = place.endpoint.split(":")
    assert host == "127.0.0.1"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://localhost:{port}")
    assert S3Path(f"s3://{place.bucket}/a.txt").read_text() == "here"
