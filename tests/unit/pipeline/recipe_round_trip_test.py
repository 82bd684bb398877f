"""A recipe on its way: command line, driver, JSON, worker, JSON, and back from a checkpoint."""

import dataclasses
import json

import pytest

from palo.checkpoint import trainable
from palo.command import parse_recipe
from palo.config import fingerprint, from_dict, to_dict
from palo.pipeline import steps
from palo.recipes import RECIPES
from palo.train import stage_identity
from palo.train.stages import StageJob

# The same settings in other words.
_SPELLINGS = (
    ("--finetune.optimizer.max-grad-norm", "1", "--finetune.optimizer.lr-projector", "1e-3"),
    ("--finetune.optimizer.max-grad-norm", "1.0", "--finetune.optimizer.lr-projector", ".0010"),
)
_OTHER = ("--finetune.optimizer.lr-projector", "0.5")


@pytest.fixture
def no_weights(monkeypatch):
    """Weights and corpora of the paper's sizes aren't here: their names stand for them."""
    monkeypatch.setattr(stage_identity, "weights_fingerprint", lambda folder: folder.name)
    monkeypatch.setattr(stage_identity, "projector_hash", lambda folder: folder.name)
    monkeypatch.setattr(
        stage_identity,
        "open_corpus",
        lambda folder: type("Corpus", (), {"manifest": type("M", (), {"fingerprint": "c"})}),
    )


def job_of(name: str, stage: steps.StageName, *arguments: str) -> StageJob:
    recipe, _ = parse_recipe([name, *arguments], RECIPES, "jobs/finetune.py")
    return steps._absolute(steps.stage_job(recipe, stage))


def in_a_worker(job: StageJob) -> StageJob:
    return from_dict(StageJob, json.loads(json.dumps(to_dict(job))))


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_stage_recognises_its_own_run(name, stage, tmp_path):
    """Regression: alpha was 64 in the driver and 64.0 in the workers, "another settings"."""
    job = job_of(name, stage)
    there = in_a_worker(job)
    assert there.recipe == RECIPES[name]().scale
    known = stage_identity.identity(there)
    assert known == stage_identity.identity(job) == stage_identity.identity(in_a_worker(there))
    assert fingerprint(to_dict(there)) == fingerprint(to_dict(job))
    cursor = trainable.Cursor(step=1, identity=known, config=to_dict(there))
    checkpoint = trainable.save(tmp_path, {}, cursor, keep=1)
    found = trainable.read_cursor(checkpoint)
    trainable.check_continues(found.identity, stage_identity.identity(job), tmp_path)


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize("name", ["nano", "7b"])
def test_a_setting_has_one_name_however_it_is_written(name):
    first, *others = (
        stage_identity.identity(in_a_worker(job_of(name, "finetune", *words)))
        for words in _SPELLINGS
    )
    assert all(other == first for other in others)
    different = stage_identity.identity(job_of(name, "finetune", *_OTHER))
    assert {key for key in first if first[key] != different[key]} == {"settings"}


@pytest.mark.usefixtures("no_weights")
def test_a_stage_without_later_settings_is_known_as_before():
    """What it is known by was read from the version before these settings."""
    plain = stage_identity.identity(job_of("nano", "finetune"))
    assert plain["settings"].startswith("97af10e2c72654c1")
    evened = stage_identity.identity(
        job_of("nano", "finetune", "--finetune.language-temperature", "2")
    )
    assert {key for key in plain if plain[key] != evened[key]} == {"settings"}


@pytest.mark.usefixtures("no_weights")
def test_a_run_that_was_moved_is_the_same_run(tmp_path):
    there, moved = (
        job_of("nano", "finetune", "--output", str(tmp_path / place)) for place in ("a", "b/c")
    )
    assert there.output != moved.output
    assert stage_identity.identity(there) == stage_identity.identity(moved)


def test_another_projector_in_the_same_place_is_another_run(make_job, tmp_path):
    """Regression: the path was named, not the content."""
    stages = [tmp_path / name for name in ("first", "copy")]
    for stage in stages:
        stage.mkdir()
        (stage / "projector.safetensors").write_bytes(b"weights")
    first, copy = (
        stage_identity.identity(dataclasses.replace(make_job(), projector=stage))
        for stage in stages
    )
    assert first == copy
    (stages[1] / "projector.safetensors").write_bytes(b"others")
    other = stage_identity.identity(dataclasses.replace(make_job(), projector=stages[1]))
    assert {key for key in first if first[key] != other[key]} == {"projector"}
    fresh = stage_identity.identity(make_job())
    assert fresh["projector"] not in (first["projector"], other["projector"])
