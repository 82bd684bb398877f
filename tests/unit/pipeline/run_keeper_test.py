"""The record of a run, on a disk and on S3, and the wish that it stops."""

import time
from dataclasses import replace

import pytest

from palo import storage
from palo.errors import ConfigError, DataError
from palo.pipeline import run_keeper
from palo.pipeline.run_keeper import note_step, recorded_run
from palo.pipeline.run_record import RECORD, STOP, ask_to_stop, read_record
from palo.recipes import RECIPES


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(run_keeper, "EVERY_S", 0.1)
    monkeypatch.setattr(run_keeper, "_LOOK_EVERY_S", 0.05)


@pytest.fixture(params=["disk", "s3"])
def recipe(request, tmp_path):
    root = tmp_path if request.param == "disk" else request.getfixturevalue("bucket")
    return replace(RECIPES["nano"](), output=root / "runs" / "x")


def test_a_run_says_what_it_does_and_how_it_ended(recipe):
    with recorded_run(recipe, "jobs/finetune.py"):
        note_step(recipe.output, "finetune_corpus")
        first = read_record(recipe.output)
        time.sleep(0.5)
        later = read_record(recipe.output)
    assert (first.state, first.step, first.recipe) == ("running", "finetune_corpus", "nano")
    assert later.seen > first.seen
    assert first.stages["finetune"] == str(recipe.output / "finetune")
    assert read_record(recipe.output).state == "finished"


@pytest.mark.parametrize(
    ("error", "state", "told"),
    [
        (
            DataError("a row is bad", seen="7", fix="Mend it."),
            "failed",
            "a row is bad: 7. Mend it.",
        ),
        (ZeroDivisionError("x"), "failed", "ZeroDivisionError: x"),
        (KeyboardInterrupt(), "stopped", ""),
    ],
)
def test_a_run_that_ends_badly_says_why(recipe, error, state, told):
    with pytest.raises(type(error)), recorded_run(recipe, "jobs/finetune.py"):
        raise error
    record = read_record(recipe.output)
    assert (record.state, record.error) == (state, told)


def test_a_run_that_is_asked_to_stop_is_interrupted_once(recipe, capsys):
    def work():
        with recorded_run(recipe, "jobs/finetune.py"):
            ask_to_stop(recipe.output)
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert read_record(recipe.output).state == "stopped"
    assert not (recipe.output / STOP).exists()
    assert "asks this run to stop" in capsys.readouterr().err


def test_a_wish_from_before_a_run_began_is_not_for_it(recipe):
    ask_to_stop(recipe.output)
    with recorded_run(recipe, "jobs/finetune.py"):
        time.sleep(0.3)
    assert read_record(recipe.output).state == "finished"


def test_a_folder_without_a_record_has_none_and_a_strange_one_is_an_error(recipe):
    assert read_record(recipe.output) is None
    storage.write_json(recipe.output / RECORD, {"state": "running"})
    with pytest.raises(ConfigError, match="incomplete"):
        read_record(recipe.output)
