"""The record of a run, on a disk and on S3, and the wish that it stops."""

import threading
import time
from dataclasses import replace

import pytest

from palo import config, storage
from palo.errors import ConfigError, DataError, ResourceError, StorageError
from palo.pipeline import run_keeper
from palo.pipeline.run_keeper import claimed, note_step, recorded_run
from palo.pipeline.run_record import RECORD, STOP, ask_to_stop, read_record
from palo.recipes import RECIPES


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(run_keeper, "EVERY_S", 0.1)
    monkeypatch.setattr(run_keeper, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(run_keeper, "LOST_S", 1.0)


@pytest.fixture(params=["disk", "s3"])
def recipe(request, tmp_path):
    root = tmp_path if request.param == "disk" else request.getfixturevalue("bucket")
    return replace(RECIPES["nano"](), output=root / "runs" / "x")


@pytest.fixture
def on_s3(bucket):
    return replace(RECIPES["nano"](), output=bucket / "runs" / "x")


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


def test_on_s3_a_second_job_is_refused_while_the_first_runs(on_s3):
    refused = pytest.raises(ResourceError, match="another job works in this run folder")
    with recorded_run(on_s3, "first"):
        with refused, recorded_run(on_s3, "second"):
            pytest.fail("two jobs work in one folder")
        assert read_record(on_s3.output).program == "first"


def test_on_s3_the_run_of_a_killed_job_is_taken_over(on_s3):
    with recorded_run(on_s3, "first"):
        killed = read_record(on_s3.output)
    storage.write_json(on_s3.output / RECORD, config.to_dict(killed))
    began = time.monotonic()
    with recorded_run(on_s3, "second"):
        waited = time.monotonic() - began
        assert read_record(on_s3.output).program == "second"
    assert waited >= 1.0
    old = replace(killed, seen=killed.seen - 3600.0)
    storage.write_json(on_s3.output / RECORD, config.to_dict(old))
    began = time.monotonic()
    with recorded_run(on_s3, "third"):
        assert time.monotonic() - began < 1.0


def test_on_s3_a_job_that_was_taken_for_dead_ends(on_s3, capsys):
    def work():
        with recorded_run(on_s3, "first"):
            other = replace(read_record(on_s3.output), owner="another", machine="elsewhere")
            storage.write_json(on_s3.output / RECORD, config.to_dict(other))
            time.sleep(10)

    with pytest.raises((KeyboardInterrupt, ResourceError)):
        work()
    assert "another job works in this run folder" in capsys.readouterr().err
    assert read_record(on_s3.output).machine == "elsewhere"


def test_on_s3_a_write_that_only_seemed_to_fail_is_no_other_job(on_s3, monkeypatch):
    real, lost = run_keeper.write_if, []

    def lose_the_answer(path, data, version):
        done = real(path, data, version)
        if version is not None and len(lost) < 2:
            lost.append(version)
            raise StorageError("can't write", seen=path, fix="Wait.")
        return done

    with recorded_run(on_s3, "first"):
        monkeypatch.setattr(run_keeper, "write_if", lose_the_answer)
        time.sleep(1.0)
        assert len(lost) == 2
        note_step(on_s3.output, "finetune")
    assert read_record(on_s3.output).state == "finished"


def test_of_many_jobs_that_start_at_once_one_works(on_s3):
    worked, refused = [], []
    gate, all_told = threading.Barrier(4), threading.Event()

    def job(name):
        gate.wait()
        try:
            with recorded_run(on_s3, name):
                worked.append(name)
                all_told.wait(30)
        except ResourceError:
            refused.append(name)
            if len(refused) == 3:
                all_told.set()

    threads = [threading.Thread(target=job, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(worked) == 1
    assert len(refused) == 3
    assert read_record(on_s3.output).program == worked[0]


def test_a_stage_that_runs_share_is_one_runs_at_a_time(on_s3, bucket):
    other = replace(on_s3, output=bucket / "runs" / "y")
    shared = bucket / "runs" / "7b" / "pretrain"
    with recorded_run(on_s3, "first"), claimed(on_s3.output, shared):
        refused = pytest.raises(ResourceError, match="7b/pretrain")
        with recorded_run(other, "second"), refused, claimed(other.output, shared):
            pytest.fail("two runs train one stage")
    with claimed(on_s3.output, shared):  # of a run that nobody records
        pass
