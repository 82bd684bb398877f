from pathlib import PurePosixPath

import pytest

from palo.storage import copy_tree, tree_sizes, trees


@pytest.fixture(params=["disk", "s3"])
def source(request, tmp_path):
    folder = tmp_path / "source" if request.param == "disk" else request.getfixturevalue("bucket")
    files = {"a.json": b"{}", "deep/er/b.bin": bytes(range(256)) * 8}
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_all_files_below_a_folder_have_their_sizes(source):
    assert tree_sizes(source) == {
        PurePosixPath("a.json"): 2,
        PurePosixPath("deep/er/b.bin"): 2048,
    }
    assert tree_sizes(source / "nowhere") == {}


def test_a_copy_is_the_same_and_made_once(source, tmp_path, monkeypatch):
    target = tmp_path / "copy"
    counted = []
    copy_tree(source, target, tree_sizes(source), counted.append)
    assert sum(counted) == 2050
    assert (target / "deep/er/b.bin").read_bytes() == bytes(range(256)) * 8
    assert sorted(path.name for path in target.rglob("*") if path.is_file()) == ["a.json", "b.bin"]
    monkeypatch.setattr(trees, "open_ranges", None)  # nothing is read again
    again = []
    copy_tree(source, target, tree_sizes(source), again.append)
    assert sum(again) == 2050


def test_a_copy_that_broke_off_goes_on_where_it_was(source, tmp_path, monkeypatch):
    target = tmp_path / "copy"
    monkeypatch.setattr(trees, "_RANGE_BYTES", 512)
    read = []

    class Breaking:
        def __init__(self, path):
            self.inner = real(path)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.inner.close()

        def read(self, start, size):
            if len(read) == 3:
                raise ConnectionResetError("the line was cut")
            read.append(start)
            return self.inner.read(start, size)

    real = trees.open_ranges
    files = {PurePosixPath("deep/er/b.bin"): 2048}
    monkeypatch.setattr(trees, "open_ranges", Breaking)
    with pytest.raises(Exception, match="the line was cut"):
        copy_tree(source, target, files, lambda count: None)
    assert not (target / "deep/er/b.bin").exists()
    read[:] = ["second"]
    copy_tree(source, target, files, lambda count: None)
    assert read == ["second", 1536]
    assert (target / "deep/er/b.bin").read_bytes() == bytes(range(256)) * 8


def test_what_has_changed_is_copied_anew(source, tmp_path):
    target = tmp_path / "copy"
    copy_tree(source, target, tree_sizes(source), lambda count: None)
    (source / "a.json").write_bytes(b"[1]")
    copy_tree(source, target, tree_sizes(source), lambda count: None)
    assert (target / "a.json").read_bytes() == b"[1]"
