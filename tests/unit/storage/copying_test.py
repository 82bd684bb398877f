import pytest

from palo import storage
from palo.errors import StorageError


def test_a_file_goes_to_a_store_and_back(tmp_path, bucket):
    (tmp_path / "a").write_bytes(b"words")
    storage.copy_file(tmp_path / "a", bucket / "b")
    storage.copy_file(bucket / "b", bucket / "c")
    storage.copy_file(bucket / "c", tmp_path / "new" / "d")
    assert (tmp_path / "new" / "d").read_bytes() == b"words"
    with pytest.raises(StorageError, match="can't read"):
        storage.copy_file(bucket / "missing", tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_a_copy_follows_its_folder(tmp_path, bucket):
    for name in ("kept", "changed", "deep/gone", "unwanted"):
        storage.write_text(bucket / "folder" / name, "first")
    copy = tmp_path / "copies" / "folder"
    storage.keep_copy(bucket / "folder", copy, lambda path: path.name != "unwanted")
    kept = (copy / "kept").stat().st_ino
    storage.write_text(bucket / "folder" / "changed", "other")
    storage.remove(bucket / "folder" / "deep" / "gone")
    storage.keep_copy(bucket / "folder", copy, lambda path: path.name != "unwanted")
    files = {str(p.relative_to(copy)): p.read_text() for p in copy.rglob("*") if p.is_file()}
    assert files == {"kept": "first", "changed": "other"}
    assert (copy / "kept").stat().st_ino == kept
