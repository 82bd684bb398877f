import time

import pytest

from palo import storage
from palo.errors import StorageError


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("PALO_SCRATCH", str(tmp_path / "scratch"))


def test_a_folder_on_a_disk_is_worked_in_itself(tmp_path):
    with storage.working_copy(tmp_path / "x") as folder:
        assert folder == tmp_path / "x"


def test_what_changes_is_sent_however_the_work_ends(bucket):
    place = bucket / "scores"
    storage.write_text(place / "answers" / "mine.jsonl", "1\n")
    storage.write_text(place / "values.json", "{}")
    kept = (place / "values.json").stat().st_mtime_ns

    def work():
        with storage.working_copy(place) as folder:
            assert (folder / "answers" / "mine.jsonl").read_text() == "1\n"
            (folder / "answers" / "mine.jsonl").write_text("1\n2\n")
            (folder / "report.md").write_text("good")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (place / "answers" / "mine.jsonl").read_text() == "1\n2\n"
    assert (place / "report.md").read_text() == "good"
    assert (place / "values.json").stat().st_mtime_ns == kept  # it wasn't sent again


def test_what_was_paid_for_is_sent_while_the_work_goes_on(bucket, monkeypatch):
    monkeypatch.setattr("palo.storage.working_copies._SEND_EVERY_S", 0.05)
    place = bucket / "scores"
    with storage.working_copy(place) as folder:
        (folder / "answers.jsonl").write_text("1\n")
        until = time.monotonic() + 20
        while not (place / "answers.jsonl").is_file() and time.monotonic() < until:
            time.sleep(0.05)
        assert (place / "answers.jsonl").read_text() == "1\n"


def test_a_store_that_refuses_is_told_before_any_work(bucket):
    missing = storage.path_of(str(bucket).replace(bucket.place.bucket, "no-bucket"))
    with pytest.raises(StorageError, match="no such bucket"), storage.working_copy(missing / "x"):
        pytest.fail("the work would be lost")
