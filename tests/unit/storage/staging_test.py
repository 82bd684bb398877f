import os
import threading

import pytest

from palo import storage
from palo.errors import ResourceError, StorageError
from palo.storage import known_hashes, staging
from palo.storage.staging import near_copy, stage_folder, staged_hash


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "shared" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(os.urandom(100_000))
    return folder


@pytest.fixture
def said():
    return []


def test_a_copy_holds_the_same_bytes_and_knows_their_hashes(source, tmp_path, said, monkeypatch):
    monkeypatch.setattr(staging, "_RANGE_BYTES", 777)  # many ranges, more than are read at once
    copy = stage_folder(source, tmp_path / "ssd", said.append)
    for path in source.iterdir():
        assert (copy / path.name).read_bytes() == path.read_bytes()
        assert staged_hash(copy / path.name) == storage.file_hash(path)
    assert str(source) in said[0]


def test_a_copy_is_made_once(source, tmp_path, said):
    first = stage_folder(source, tmp_path / "ssd", said.append)
    assert stage_folder(source, tmp_path / "ssd", said.append) == first
    assert len(said) == 1


def test_eight_workers_of_a_machine_make_one_copy(source, tmp_path, said, monkeypatch):
    copied = []
    copy = staging._copy
    monkeypatch.setattr(staging, "_copy", lambda *file: copied.append(file[0].name) or copy(*file))
    workers = [
        threading.Thread(target=stage_folder, args=(source, tmp_path / "ssd", said.append))
        for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(copied) == ["config.json", "model.safetensors"]


def test_what_changed_is_copied_anew(source, tmp_path, said):
    first = stage_folder(source, tmp_path / "ssd", said.append)
    (source / "config.json").write_text('{"a": 1}')
    second = stage_folder(source, tmp_path / "ssd", said.append)
    assert second != first
    assert (second / "config.json").read_text() == '{"a": 1}'


def test_what_was_cleared_away_is_copied_again(source, tmp_path, said):
    copy = stage_folder(source, tmp_path / "ssd", said.append)
    (copy / "config.json").unlink()
    stage_folder(source, tmp_path / "ssd", said.append)
    assert (copy / "config.json").exists()


def test_a_copy_that_broke_off_is_finished(source, tmp_path, said, monkeypatch):
    copy = staging._copy
    monkeypatch.setattr(staging, "_copy", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        stage_folder(source, tmp_path / "ssd", said.append)
    monkeypatch.setattr(staging, "_copy", copy)
    again = stage_folder(source, tmp_path / "ssd", said.append)
    assert (again / "model.safetensors").stat().st_size == 100_000


def test_a_disk_without_room_is_told_before_anything_is_copied(source, tmp_path, said, monkeypatch):
    monkeypatch.setattr(staging, "_SPARE_BYTES", 1 << 62)
    with pytest.raises(ResourceError, match="no room for a copy"):
        stage_folder(source, tmp_path / "ssd", said.append)
    assert said == []


def test_named_files_keep_their_folders(source, tmp_path, said):
    (source / "samples").mkdir()
    (source / "samples" / "a.parquet").write_bytes(b"rows")
    copy = stage_folder(source, tmp_path / "ssd", said.append, ["samples/a.parquet"])
    assert (copy / "samples" / "a.parquet").read_bytes() == b"rows"
    assert not (copy / "config.json").exists()


def test_a_folder_on_s3_is_copied(bucket, tmp_path, said):
    (bucket / "model" / "config.json").write_bytes(b"{}")
    (bucket / "model" / "weights.bin").write_bytes(b"x" * 5000)
    copy = stage_folder(bucket / "model", tmp_path / "ssd", said.append)
    assert (copy / "weights.bin").read_bytes() == b"x" * 5000


def test_a_large_file_is_hashed_once_on_a_machine(source, tmp_path, monkeypatch):
    """Eight workers hashed 26 GB each."""
    monkeypatch.setattr(known_hashes, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(known_hashes, "_SMALL_BYTES", 10)
    hashed = []

    def count(path):
        hashed.append(path)
        return storage.file_hash(path)

    monkeypatch.setattr(known_hashes, "file_hash", count)
    path = source / "model.safetensors"
    expected = storage.file_hash(path)
    assert [known_hashes.known_hash(path) for _ in range(3)] == [expected] * 3
    assert len(hashed) == 1
    path.write_bytes(b"other weights")
    assert known_hashes.known_hash(path) == storage.file_hash(path)
    assert len(hashed) == 2


def test_a_copy_is_never_hashed(source, tmp_path, said, monkeypatch):
    copy = stage_folder(source, tmp_path / "ssd", said.append)
    monkeypatch.delattr(known_hashes, "file_hash")
    assert known_hashes.known_hash(copy / "model.safetensors") == storage.file_hash(
        source / "model.safetensors"
    )


def test_a_copy_that_was_written_to_is_hashed_again(source, tmp_path, said):
    """A file that was swapped must not keep its name."""
    copy = stage_folder(source, tmp_path / "ssd", said.append) / "model.safetensors"
    copy.write_bytes(bytes(100_000))  # of the same size
    assert staged_hash(copy) is None
    assert known_hashes.known_hash(copy) == storage.file_hash(copy)


def test_weights_on_s3_are_copied_near_once_without_what_is_not_read(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("PALO_SCRATCH", str(tmp_path / "ssd"))
    for name in ("config.json", "model.safetensors", "pytorch_model.bin"):
        storage.write_bytes(bucket / "clip" / name, name.encode() * 100)
    near = near_copy(bucket / "clip", (".json", ".safetensors"))
    assert near.is_relative_to(tmp_path / "ssd")
    assert {path.name for path in near.iterdir()} == {
        "config.json",
        "model.safetensors",
        "staged.json",
    }
    monkeypatch.setattr(staging, "_copy", None)
    assert near_copy(bucket / "clip", (".json", ".safetensors")) == near
    assert near_copy(tmp_path, (".json",)) == tmp_path


def test_the_hash_of_a_large_file_on_s3_is_kept_there_until_it_changes(bucket, monkeypatch):
    monkeypatch.setattr(known_hashes, "_SMALL_BYTES", 10)
    path = bucket / "vicuna" / "model.safetensors"
    storage.write_bytes(path, b"weights of a language model")
    expected = storage.file_hash(path)
    assert known_hashes.known_hash(path) == expected
    with monkeypatch.context() as patch:
        patch.setattr(known_hashes, "file_hash", None)
        assert known_hashes.known_hash(path) == expected
    storage.write_bytes(path, b"weights of another language model")
    assert known_hashes.known_hash(path) == storage.file_hash(path) != expected


def test_a_store_that_keeps_no_hash_is_read_again(bucket, monkeypatch, caplog):
    monkeypatch.setattr(known_hashes, "_SMALL_BYTES", 10)
    path = bucket / "model.safetensors"
    storage.write_bytes(path, b"weights that may be read only")

    def refuse(path, values):
        raise StorageError("may not write", seen=path, fix="Ask its owner.")

    monkeypatch.setattr(known_hashes, "write_json", refuse)
    assert known_hashes.known_hash(path) == storage.file_hash(path)
    assert "isn't kept" in caplog.text
