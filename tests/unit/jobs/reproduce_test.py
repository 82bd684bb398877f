"""The command line of jobs/reproduce.py."""

import subprocess
import sys

import pytest
from tests.conftest import ROOT
from tests.fixtures.scripts import load_script

from palo.errors import ConfigError, DataError
from palo.reproduce import runner


@pytest.fixture
def job():
    return load_script(ROOT / "jobs" / "reproduce.py")


@pytest.fixture
def asked(job, monkeypatch):
    """What the job asks the library to do."""
    calls = []
    monkeypatch.setattr(runner, "reproduce", lambda *asked: calls.append(asked))
    return calls


def test_flags_of_the_recipe_and_of_the_steps_are_told_apart(job, asked, tmp_path):
    job.main([
        "nano", "--output", str(tmp_path / "run"), "--translate.to", "es", "fr",
        "--finetune.epochs", "2", "--deploy.languages", "ur", "--from", "finetune",
    ])  # fmt: skip
    (wanted, selection) = asked[0]
    assert wanted.recipe.finetune.epochs == 2
    assert wanted.settings.translate.to == ("es", "fr")
    assert wanted.settings.deploy.languages == ("ur",)
    assert (selection.first, selection.only) == ("finetune", None)
    assert wanted.serve == ROOT / "jobs" / "serve.py"


def test_the_command_that_goes_on_makes_nothing_again(job, asked, tmp_path):
    job.main(["nano", "--output", str(tmp_path), "--from", "finetune", "--translate.most", "5"])
    command = f"python jobs/reproduce.py nano --output {tmp_path} --translate.most 5"
    assert asked[0][0].command == command


def test_a_run_without_a_named_folder_gets_one_of_its_own(job, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job.main(["nano"])
    job.main(["nano", "--output=runs/mine"])
    names = [wanted.recipe.output.as_posix() for wanted, _ in asked]
    assert names == ["runs/quickstart-reproduced", "runs/mine"]


def test_the_exported_model_is_served_in_the_end(job, asked, tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr(job.os, "execv", lambda program, words: served.append(words))
    job.main(["nano", "--keep-serving", "--output", str(tmp_path / "run")])
    assert [str(ROOT / "jobs/serve.py"), str(tmp_path / "run/exported/run")] == served[0][1:]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "train"], "--from names no step: train.*translate, corpus"),
        (["--only"], "--only has no value"),
        (["--export.to", "gguf"], "endpoint can't serve"),
        (["--translate.too", "es"], "translate.too"),
        (["--deploy.port", "70000"], "port is 70000"),
        (["--finetune.epoch", "2"], "finetune.epoch"),
    ],
)
def test_wrong_arguments_are_told(job, asked, arguments, words):
    with pytest.raises(ConfigError, match=words):
        job.main(["nano", *arguments])
    assert not asked


def test_missing_weights_are_told_before_anything_is_written(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="parts are missing"):
        job.main(["7b", "--output", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_a_dry_run_writes_nothing(job, tmp_path, capsys):
    job.main(["7b", "--output", str(tmp_path / "run"), "--dry-run"])
    said = capsys.readouterr().out
    assert "missing  language_model" in said
    assert "dollars" in said
    assert not (tmp_path / "run").exists()


def test_help_shows_the_flags_of_steps_and_recipe(tmp_path):
    result = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "reproduce.py"), "nano", "--help"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for flag in (
        "--from STEP",
        "--keep-serving",
        "--translate.to",
        "--deploy.endpoint",
        "--finetune.epochs",
    ):
        assert flag in result.stdout
