"""A stage whose folder lies on S3: what it leaves there, and what happens when the store fails."""

import dataclasses
import shutil

import pytest

from palo import storage
from palo.checkpoint import trainable
from palo.checkpoint.finished import describe_stage, is_finished, read_projector
from palo.checkpoint.load import load_trained
from palo.errors import ResourceError, StorageError
from palo.storage import s3_upload
from palo.train.engine import PlainEngine
from palo.train.events import read_events
from palo.train.metrics import read_metrics
from palo.train.run_store import scratch_folder
from palo.train.store_mirror import StoreMirror
from palo.train.store_proof import leave_proof
from palo.train.validation import read_validations
from palo.train.watch_settings import ValidationSettings
from palo.train.worker import train_stage


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


@pytest.fixture
def on_s3(make_job, bucket, tmp_path, monkeypatch):
    """Makes a stage in a bucket, and one on a disk that must equal it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(**changes):
        job = make_job("run", epochs=2, **changes)
        return dataclasses.replace(job, output=bucket / "run" / "finetune"), job

    return make


def test_a_stage_on_s3_equals_one_on_a_disk(on_s3):
    held_out = ValidationSettings(rows_per_language=2, most_share=0.3, every=2)
    job, local = on_s3(validation=held_out)
    train_stage(job, PlainEngine)
    train_stage(local, PlainEngine)
    assert losses(job) == losses(local)
    own, other = (read_validations(one.files.validations) for one in (job, local))
    assert [one.languages for one in own] == [one.languages for one in other] != []
    on_disk = {str(path.relative_to(local.output)) for path in local.output.rglob("*.*")}
    in_store = {str(path.relative_to(job.output)) for path in job.output.rglob("*")}
    # TensorBoard's files have the time in their names.
    moments = [{path for path in paths if "tfevents" in path} for paths in (in_store, on_disk)]
    assert [len(paths) for paths in moments] == [1, 1]
    assert in_store - moments[0] == on_disk - moments[1]
    for own, other in zip(
        trainable.every(job.checkpoints), trainable.every(local.checkpoints), strict=True
    ):
        for name in (trainable.WEIGHTS,):
            assert (own / name).read_bytes() == (other / name).read_bytes()
    assert load_trained(job.output).stage.has_adapter
    for name, tensor in read_projector(job.output).items():
        assert tensor.equal(read_projector(local.output)[name])


def test_weights_in_the_store_train_the_same_and_are_copied_once(
    on_s3, bucket, monkeypatch, tmp_path
):
    monkeypatch.setenv("PALO_SCRATCH", str(tmp_path / "ssd"))
    job, local = on_s3()
    train_stage(local, PlainEngine)
    places = {}
    for name in ("tower", "language_model", "tokenizer"):
        places[name] = bucket / "models" / name
        for path in getattr(local.parts, name).iterdir():
            storage.copy_file(path, places[name] / path.name)
    parts = dataclasses.replace(local.parts, **places)
    train_stage(dataclasses.replace(job, parts=parts), PlainEngine)
    assert losses(job) == losses(local)
    copies = [path.name.rpartition("-")[0] for path in (tmp_path / "ssd" / "staged").iterdir()]
    assert sorted(set(copies)) == ["language_model", "tokenizer", "tower"]
    assert describe_stage(job.output).parts == parts
    # A finished stage is a start and a part for others, wherever they run.
    shutil.rmtree(tmp_path / "ssd")
    assert load_trained(job.output).stage.parts == parts


def test_a_stopped_stage_goes_on_bit_for_bit_on_another_machine(on_s3):
    job, local = on_s3()
    train_stage(local, PlainEngine)
    shorter = dataclasses.replace(job, config=dataclasses.replace(job.config, max_steps=None))
    calls = []

    def notice():
        calls.append(1)
        return len(calls) >= 4

    with pytest.raises(Exception, match="will be taken away"):
        train_stage(shorter, PlainEngine, notice=notice)
    assert not is_finished(job.output)
    assert 0 < len(losses(job)) < len(losses(local))
    shutil.rmtree(scratch_folder(job))
    train_stage(job, PlainEngine)
    assert losses(job) == losses(local)


def test_the_stop_flag_goes_through_the_store(on_s3, monkeypatch):
    job, _ = on_s3()
    monkeypatch.setattr("palo.train.run_store._LOOK_EVERY_S", 0.01)
    storage.write_text(job.stop_file, "")
    while train_stage(job, PlainEngine) is not None:  # the flag is seen after a moment
        storage.remove(job.output)
        storage.write_text(job.stop_file, "")
    assert not is_finished(job.output)
    assert trainable.every(job.checkpoints)


def test_a_damaged_checkpoint_in_the_store_is_set_aside_and_said(on_s3):
    job, local = on_s3()
    train_stage(local, PlainEngine)
    train_stage(job, PlainEngine)
    storage.remove(job.output / "model.json")
    newest = trainable.every(job.checkpoints)[-1]
    whole = (newest / trainable.WEIGHTS).read_bytes()
    storage.write_bytes(newest / trainable.WEIGHTS, whole[:-1] + bytes([whole[-1] ^ 1]))
    train_stage(job, PlainEngine)
    assert losses(job) == losses(local)
    with StoreMirror(job, None) as mirror:
        assert "step-00000010 is damaged and set aside" in read_events(mirror.files.events)[0].note


@pytest.fixture
def failing(monkeypatch):
    """Has uploads fail while `state["away"]` is true."""
    state = {"away": False, "failed": 0}
    right = s3_upload.put

    def put(place, data):
        if state["away"]:
            state["failed"] += 1
            state["away"] = state["failed"] < state.get("until", 1e9)
            raise StorageError("can't write there", seen="no route", fix="Check the network.")
        right(place, data)

    monkeypatch.setattr(s3_upload, "put", put)
    monkeypatch.setattr("palo.train.uploads._FIRST_WAIT_S", 0.01)
    return state


def test_a_store_that_goes_away_for_a_while_costs_nothing(on_s3, failing, monkeypatch):
    job, local = on_s3()
    train_stage(local, PlainEngine)
    failing |= {"away": True, "until": 3}
    train_stage(job, PlainEngine)
    assert failing["failed"] == 3
    assert losses(job) == losses(local)
    notes = [line for _, line in storage.read_json_lines(job.events)]
    assert [line["event"] for line in notes] == ["store", "store"]
    assert "is away (can't write there); training goes on" in notes[0]["note"]


def test_a_store_that_stays_away_ends_the_stage_and_keeps_what_it_holds(on_s3, failing):
    job, local = on_s3(store_wait_s=0.05)
    train_stage(local, PlainEngine)
    failing |= {"away": True}
    with pytest.raises(StorageError, match="the run's store has been away for"):
        train_stage(job, PlainEngine)
    failing["away"] = False
    train_stage(job, PlainEngine)
    assert losses(job) == losses(local)


def test_a_job_whose_run_was_taken_over_writes_nothing_more_and_says_so(on_s3):
    job, _ = on_s3()
    leave_proof(job)
    before = []

    def content():
        files = job.output.rglob("*")
        return {str(path): path.read_bytes() for path in files if path != job.proof}

    def notice():
        if not before:
            leave_proof(job)  # as another job does
            before.append(content())
        return False

    with pytest.raises(ResourceError, match="another job trains in this run folder"):
        train_stage(job, PlainEngine, notice=notice)
    assert content() == before[0]
