from pathlib import Path

import pytest

from palo import command, storage
from palo.errors import ConfigError, StorageError
from palo.store import choose_store, found_path, input_path, lasting_path, store_root


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for name in ("PALO_STORE", "PALO_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_a_store_everything_stays_in_the_checkout():
    assert store_root() is None
    for text in ("runs/x", "runs/keys.json", "runs/feedback", "runs/image_stores"):
        assert lasting_path(Path(text)) == Path(text)
    assert input_path(Path("models/vicuna")) == Path("models/vicuna")


@pytest.mark.parametrize("root", ["/shared/palo", "s3://mine/palo", "s3://mine"])
@pytest.mark.parametrize(
    ("relative", "below"),
    [
        ("runs/7b", "runs/7b"),
        ("runs/corpora", "corpora"),
        ("runs/image_stores", "images"),
        ("runs/keys.json", "keys.json"),
        ("runs/feedback", "feedback"),
    ],
)
def test_a_store_holds_what_is_relative(monkeypatch, root, relative, below):
    monkeypatch.setenv("PALO_STORE", root)
    monkeypatch.setenv("PALO_HOME", "/elsewhere")
    assert str(lasting_path(Path(relative))) == f"{root}/{below}"


def test_what_is_named_in_full_wins_over_the_store(monkeypatch):
    monkeypatch.setenv("PALO_STORE", "s3://mine/palo")
    assert lasting_path(Path("/local/x")) == Path("/local/x")
    assert str(lasting_path(storage.path_of("s3://other/x"))) == "s3://other/x"
    assert input_path(Path("/weights/x")) == Path("/weights/x")
    assert str(input_path(Path("models/vicuna"))) == "s3://mine/palo/models/vicuna"


def test_what_needs_a_disk_stays_on_one_where_the_store_is_on_s3(monkeypatch):
    monkeypatch.setenv("PALO_STORE", "s3://mine/palo")
    assert lasting_path(Path("runs/review"), on_disk=True) == Path("runs/review")
    monkeypatch.setenv("PALO_STORE", "/shared")
    assert lasting_path(Path("runs/review"), on_disk=True) == Path("/shared/runs/review")


def test_a_relative_store_would_be_another_one_in_each_process(monkeypatch):
    monkeypatch.setenv("PALO_STORE", "shared")
    with pytest.raises(ConfigError, match="relative path: shared"):
        store_root()
    with pytest.raises(StorageError, match="not a place on S3"):
        choose_store("s3://")


def test_a_file_is_no_store(monkeypatch, tmp_path):
    """Regression: `runs.py list --store README.md` said that there were no runs."""
    monkeypatch.setenv("PALO_STORE", "")
    (tmp_path / "notes.md").write_text("")
    choose_store("notes.md")
    with pytest.raises(ConfigError, match=r"PALO_STORE names a file: .*notes\.md"):
        lasting_path(Path("runs"))


def test_the_flag_of_every_job_makes_a_relative_store_absolute(monkeypatch, tmp_path):
    monkeypatch.setenv("PALO_STORE", "")
    seen = []
    monkeypatch.setattr("sys.argv", ["job", "nano", "--store", "shared", "--x", "1"])
    with pytest.raises(SystemExit) as end:
        command.run_job(lambda arguments: seen.append((arguments, store_root())))
    assert end.value.code == 0
    assert seen == [(["nano", "--x", "1"], tmp_path / "shared")]


def test_a_run_that_lies_here_is_not_looked_for_in_the_store(monkeypatch, tmp_path):
    store = tmp_path / "store"
    monkeypatch.setenv("PALO_STORE", str(store))
    assert found_path(Path("runs/x")) == store / "runs" / "x"
    (tmp_path / "runs" / "x").mkdir(parents=True)
    assert found_path(Path("runs/x")) == Path("runs/x")
