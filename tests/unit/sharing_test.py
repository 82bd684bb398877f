import json
import shutil

import pytest

from palo import sharing
from palo.errors import StorageError
from palo.sharing import check_folder, check_here, mark_folders


@pytest.fixture(params=["disk", "s3"])
def folder(request, tmp_path):
    if request.param == "disk":
        return tmp_path / "store"
    return request.getfixturevalue("bucket") / "palo"


def test_a_mark_stays_whoever_asks(folder):
    first = mark_folders([folder])
    assert mark_folders([folder]) == first
    assert list(first) == [str(folder)]
    check_folder(folder, first[str(folder)])


def test_two_that_mark_at_once_agree(folder, monkeypatch):
    def late(path, mark):
        create(path, "the other's")
        create(path, mark)

    create = sharing._create
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(sharing, "_create", late)
    assert mark_folders([folder]) == {str(folder): "the other's"}


def test_a_machine_that_sees_another_folder_says_which_one_and_what_to_do(tmp_path):
    (marks,) = mark_folders([tmp_path / "store"]).values()
    shutil.rmtree(tmp_path / "store")
    with pytest.raises(StorageError, match=r"doesn't see the folder .*store.*there is none.*s3://"):
        check_folder(tmp_path / "store", marks, wait_s=0.0)
    mark_folders([tmp_path / "store"])
    with pytest.raises(StorageError, match="another one of that name"):
        check_folder(tmp_path / "store", marks, wait_s=0.0)


def test_a_folder_that_can_be_read_only_is_no_place_for_a_run(tmp_path, monkeypatch):
    marks = mark_folders([tmp_path])

    def refuse(path):
        raise StorageError("can't write to the folder", seen=path, fix="Change it.")

    monkeypatch.setattr(sharing.storage, "ensure_folder", refuse)
    with pytest.raises(StorageError, match="can't write"):
        check_folder(tmp_path, marks[str(tmp_path)])


def test_a_worker_looks_once_and_only_where_its_job_has_shared_folders(folder, monkeypatch):
    monkeypatch.delenv(sharing.MARKS, raising=False)
    check_here()
    marks = mark_folders([folder])
    monkeypatch.setenv(sharing.MARKS, json.dumps(marks))
    check_here()
    looked = []
    monkeypatch.setattr(sharing, "check_folder", lambda *found: looked.append(found))
    check_here()
    assert not looked
    monkeypatch.setenv(sharing.MARKS, json.dumps({str(folder): "another"}))
    check_here()
    assert looked == [(folder, "another")]
