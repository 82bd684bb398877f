"""What is sent to a cluster: code, and nothing that is secret or large."""

import json
from pathlib import Path

import pytest
from ray._private.runtime_env.packaging import create_package
from tests.conftest import ROOT

from palo.errors import ConfigError
from palo.submission.package import NEVER_SENT, Submission, new_id

_SECRETS = (".env", ".env.local", "deep/.env", ".aws/credentials", "server.pem", "tls/site.key")
_LARGE = ("runs/x/model.json", "data/rows.json", "models/vicuna/config.json")


@pytest.fixture
def checkout(tmp_path):
    """A folder like a checkout, with what must not leave it."""
    files = ("jobs/a.py", "platform/palo/data/x.py", "platform/palo/endpoint/credentials.py")
    for name in (*files, *_SECRETS, *_LARGE, "deep/keys.json", "rows/own.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / ".rayignore").write_text((ROOT / ".rayignore").read_text())
    return tmp_path


@pytest.fixture(autouse=True)
def no_store(monkeypatch):
    monkeypatch.delenv("PALO_STORE", raising=False)


def _submission(folder, *command, **settings):
    return Submission(command=command, folder=folder, grace_s=600.0, **settings)


def _sent(folder, excludes, target):
    """Returns the names in the archive that Ray makes of a folder."""
    import zipfile

    create_package(str(folder), target, include_gitignore=True, excludes=excludes)
    with zipfile.ZipFile(target) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_secrets_runs_data_and_weights_stay_here(checkout, tmp_path_factory):
    wanted = _submission(checkout, "jobs/a.py").runtime_env()
    target = tmp_path_factory.mktemp("sent")
    sent = _sent(checkout, wanted["excludes"], target / "folder.zip")
    assert sent == {".rayignore", "jobs/a.py", "rows/own.csv"}
    (library,) = wanted["py_modules"]
    assert _sent(library, wanted["excludes"], target / "library.zip") == {
        "data/x.py",
        "endpoint/credentials.py",
    }


def test_secrets_stay_here_whatever_the_folders_own_file_says(checkout, tmp_path_factory):
    (checkout / ".rayignore").write_text("")
    sent = _sent(checkout, list(NEVER_SENT), tmp_path_factory.mktemp("sent") / "folder.zip")
    assert not sent & {*_SECRETS, "deep/keys.json"}


def test_the_library_of_this_checkout_is_sent_whole(tmp_path):
    wanted = _submission(ROOT, "jobs/finetune.py").runtime_env()
    sent = _sent(ROOT / "platform" / "palo", wanted["excludes"], tmp_path / "library.zip")
    own = {
        str(path.relative_to(ROOT / "platform" / "palo"))
        for path in (ROOT / "platform" / "palo").rglob("*.py")
    }
    assert own <= sent


def test_a_job_gets_the_store_and_time_to_save_and_no_credentials(checkout, monkeypatch):
    monkeypatch.setenv("PALO_STORE", "s3://mine/palo")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do not tell")
    wanted = _submission(checkout, "jobs/a.py").runtime_env()
    assert wanted["env_vars"]["PALO_STORE"] == "s3://mine/palo"
    assert wanted["env_vars"]["AWS_REGION"] == "eu-west-1"
    assert wanted["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"] == "600"
    assert "do not tell" not in json.dumps(wanted)


@pytest.mark.parametrize(
    ("command", "entrypoint"),
    [
        (("jobs/a.py", "nano"), "python jobs/a.py nano"),
        (("python", "jobs/a.py", "a b", "$HOME"), "python jobs/a.py 'a b' '$HOME'"),
    ],
)
def test_words_reach_the_job_as_they_were_written(checkout, command, entrypoint):
    assert _submission(checkout, *command).entrypoint == entrypoint


def test_what_would_fail_there_is_told_here(checkout, monkeypatch):
    with pytest.raises(ConfigError, match="no command"):
        _submission(checkout).check()
    with pytest.raises(ConfigError, match=r"isn't in the folder that is sent: jobs/b\.py"):
        _submission(checkout, "jobs/b.py").check()
    with pytest.raises(ConfigError, match=r"no store is set.*--without-store"):
        _submission(checkout, "jobs/a.py").check()
    _submission(checkout, "jobs/a.py", without_store=True).check()
    monkeypatch.setenv("PALO_STORE", "s3://mine/palo")
    _submission(checkout, "python", "jobs/a.py").check()
    (checkout / ".rayignore").unlink()
    with pytest.raises(ConfigError, match=r"no \.rayignore"):
        _submission(checkout, "jobs/a.py").check()


def test_ids_say_what_a_job_is_and_differ():
    first, second = (new_id(("python", "jobs/finetune.py", "nano")) for _ in range(2))
    assert first.startswith("finetune-20")
    assert first != second
    assert new_id(("sleep", "1")).startswith("job-")


def test_the_ignore_file_keeps_what_the_code_keeps():
    lines = {line.strip("/") for line in (ROOT / ".rayignore").read_text().splitlines()}
    assert set(NEVER_SENT) <= lines
    assert {"runs", "data", "models"} <= lines
    assert Path(ROOT / ".rayignore").is_file()


def test_added_languages_go_along_or_are_named_by_a_place_that_all_machines_see(
    checkout, monkeypatch
):
    monkeypatch.setenv("PALO_LANGUAGES", str(checkout / "languages"))
    (checkout / "languages").mkdir()
    assert "PALO_LANGUAGES" not in _submission(checkout, "jobs/a.py").runtime_env()["env_vars"]
    monkeypatch.setenv("PALO_LANGUAGES", "s3://bucket/languages")
    variables = _submission(checkout, "jobs/a.py").runtime_env()["env_vars"]
    assert variables["PALO_LANGUAGES"] == "s3://bucket/languages"
