"""Storage writes a file whole or not at all, and says what to do about a disk that refuses."""

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from palo import storage
from palo.errors import StorageError

_NOBODY = 65534


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.json"
    path.write_text("old", encoding="utf-8")
    return path


@pytest.fixture
def plain_user() -> Iterator[None]:
    """Root may write anywhere, so a root run drops to an unprivileged user for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="palo-read-only-"))
    folder.chmod(0o555)
    yield folder
    shutil.rmtree(folder)


def _only_file(path: Path) -> bool:
    return [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_finished_block_replaces_the_file(kept: Path) -> None:
    with storage.replacing(kept) as partial:
        partial.write_text("new", encoding="utf-8")
        assert kept.read_text(encoding="utf-8") == "old"
    assert kept.read_text(encoding="utf-8") == "new"
    assert _only_file(kept)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def _for_its_owner_alone(path: Path) -> None:
    """Writes as safetensors does: to a temporary file of its own, which takes the place."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    os.write(handle, b"new")
    os.close(handle)
    os.replace(name, path)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(("private", "mode"), [(False, 0o640), (True, 0o600)])
@pytest.mark.parametrize("write", [_for_its_owner_alone, lambda path: path.write_text("new")])
def test_a_file_has_the_mode_of_the_umask_whoever_writes_it(
    kept: Path, write: Callable[[Path], object], private: bool, mode: int
) -> None:
    """Regression: weights were readable for their owner alone, whatever the umask said."""
    with storage.replacing(kept, private=private) as partial:
        assert partial.exists() == private
        write(partial)
    assert (kept.read_text(encoding="utf-8"), stat.S_IMODE(kept.stat().st_mode)) == ("new", mode)


def _break_off(path: Path, error: BaseException) -> None:
    with storage.replacing(path) as partial:
        partial.write_text("half", encoding="utf-8")
        raise error


@pytest.mark.parametrize("error", [ValueError("bad row"), KeyboardInterrupt()])
def test_a_block_that_breaks_off_leaves_the_old_file_and_no_rest(
    kept: Path, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        _break_off(kept, error)
    assert kept.read_text(encoding="utf-8") == "old"
    assert _only_file(kept)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_found_at_the_last_moment_keeps_the_old_file(
    kept: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="Free some disk space") as caught:
        storage.write_text(kept, "new")
    assert str(kept) in str(caught.value)
    assert kept.read_text(encoding="utf-8") == "old"
    assert _only_file(kept)


def _write_to_the_full_device(path: Path) -> None:
    with storage.replacing(path) as partial:
        partial.symlink_to("/dev/full")
        partial.write_text("new", encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_kernels_own_full_device_is_explained(kept: Path) -> None:
    with pytest.raises(StorageError, match="Free some disk space"):
        _write_to_the_full_device(kept)
    assert kept.read_text(encoding="utf-8") == "old"
    assert _only_file(kept)


# Runs in a mount namespace of its own, so that the tiny disk is gone when the program ends.
_ON_A_TINY_DISK = """
import subprocess, sys
from pathlib import Path
from palo import storage
from palo.errors import StorageError

disk = Path(sys.argv[1])
mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)])
if mount.returncode:
    raise SystemExit(3)
storage.write_text(disk / "a.txt", "old")
try:
    storage.write_text(disk / "a.txt", "x" * 200_000)
except StorageError as error:
    print(error)
assert storage.read_text(disk / "a.txt") == "old"
assert [entry.name for entry in disk.iterdir()] == ["a.txt"]
subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
try:
    storage.ensure_folder(disk / "new")
except StorageError as error:
    print(error)
"""


def test_a_real_full_disk_and_a_read_only_one(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    allowed = unshare and subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False)
    if not unshare or not allowed or allowed.returncode:
        pytest.skip("this machine lets nobody mount a private disk (unshare -rm)")
    program = [unshare, "-rm", sys.executable, "-c", _ON_A_TINY_DISK, str(tmp_path)]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    if result.returncode == 3:
        pytest.skip(f"can't mount a tmpfs in a private namespace: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
    full, read_only = result.stdout.splitlines()
    assert "No space left on device. Free some disk space" in full
    assert "Read-only file system. Choose a folder that you may write" in read_only


@pytest.mark.usefixtures("plain_user")
def test_an_unwritable_folder_is_refused_before_any_work(read_only_folder: Path) -> None:
    with pytest.raises(StorageError, match="Choose a folder that you may write"):
        storage.ensure_folder(read_only_folder)
    with pytest.raises(StorageError, match="Permission denied"):
        storage.write_text(read_only_folder / "a.txt", "new")


def test_a_folder_below_a_file_is_refused(kept: Path) -> None:
    with pytest.raises(StorageError, match="A file and a folder have the same name"):
        storage.ensure_folder(kept / "below")
    with pytest.raises(StorageError, match="A file and a folder have the same name"):
        storage.write_text(kept / "a.txt", "new")
    assert kept.read_text(encoding="utf-8") == "old"


def test_ensure_folder_makes_the_parents_and_leaves_them_empty(tmp_path: Path) -> None:
    folder = storage.ensure_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
    assert storage.ensure_folder(folder) == folder


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"), storage.replacing(tmp_path / "a"):
        pass


def test_latin_1_is_refused_with_the_byte_and_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('{"a": "é"}'.encode("latin-1"))
    with pytest.raises(StorageError, match=r"not UTF-8: byte 0xe9 at 7\. Convert it"):
        storage.read_json(path)


def test_json_that_was_cut_off_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    whole = json.dumps({"a": 1, "b": [1, 2]}, indent=1)
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    with pytest.raises(StorageError, match=r"is not JSON: .* at line \d.*cut off"):
        storage.read_json(path)


def test_an_empty_file_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.touch()
    with pytest.raises(StorageError, match="is not JSON"):
        storage.read_json(path)


def test_json_lines_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x\u2028y"}\n\n[1]\n', encoding="utf-8")
    assert list(storage.read_json_lines(path)) == [(1, {"a": "x\u2028y"}), (3, [1])]
    path.write_text('1\n{"id": "b", "ima', encoding="utf-8")
    with pytest.raises(StorageError, match=r'line 2 of .* is not JSON: .*"ima.*take it out'):
        list(storage.read_json_lines(path))


@pytest.mark.parametrize("read", [storage.read_text, storage.read_json, storage.file_hash])
def test_a_missing_file_and_a_folder_are_explained(tmp_path: Path, read) -> None:
    with pytest.raises(StorageError, match=r"No such file or directory\. Check the path"):
        read(tmp_path / "absent")
    with pytest.raises(StorageError, match="Is a directory"):
        read(tmp_path)


def test_json_keeps_ten_scripts_readable_and_equal(tmp_path: Path) -> None:
    values = {"text": "العربية हिन्दी বাংলা 日本語", "rows": [1, 2.5, None]}
    path = tmp_path / "a.json"
    storage.write_json(path, values)
    assert "বাংলা" in path.read_text(encoding="utf-8")
    assert storage.read_json(path) == values


def test_the_hash_of_a_file_longer_than_a_chunk(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    content = os.urandom(3 * 1024 * 1024 + 17)
    path.write_bytes(content)
    assert storage.file_hash(path) == hashlib.sha256(content).hexdigest()


def test_bytes_come_back_whole_and_in_part(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    storage.write_bytes(path, memoryview(b"0123456789"))
    assert storage.read_bytes(path) == b"0123456789"
    assert storage.read_range(path, 2, 3) == b"234"
    assert storage.read_range(path, 8, 10) == b"89"
    with pytest.raises(StorageError, match="No such file"):
        storage.read_range(tmp_path / "absent", 0, 1)


def test_removing_takes_files_and_whole_folders_and_never_what_a_link_points_to(
    tmp_path: Path,
) -> None:
    storage.write_text(tmp_path / "folder" / "below" / "a.txt", "a")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "folder")
    storage.remove(link)
    assert (tmp_path / "folder" / "below" / "a.txt").exists()
    storage.remove(tmp_path / "folder" / "below" / "a.txt")
    storage.remove(tmp_path / "folder")
    storage.remove(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_the_sizes_of_a_folders_own_files(tmp_path: Path) -> None:
    storage.write_text(tmp_path / "a.txt", "abc")
    storage.write_text(tmp_path / "below" / "b.txt", "abc")
    assert storage.file_sizes(tmp_path) == {"a.txt": 3}
    assert storage.file_sizes(tmp_path / "absent") == {}


def test_a_path_named_from_a_folder_is_found_from_it(tmp_path: Path) -> None:
    text = storage.relative_text(tmp_path / "store", tmp_path / "corpus")
    assert text == "../store"
    assert storage.follow(tmp_path / "corpus", text) == tmp_path / "store"
