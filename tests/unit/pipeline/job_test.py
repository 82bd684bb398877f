"""Jobs of recipes find what is missing before they start Ray."""

import os
from pathlib import Path

import pytest
from jobs import evaluate, finetune

from palo import storage
from palo.command import parse_recipe
from palo.errors import ConfigError, DataError, PaloError, ResourceError
from palo.pipeline import job
from palo.pipeline.job import recipe_job
from palo.recipes import RECIPES
from palo.train.tracking import tracker


@pytest.fixture(autouse=True)
def no_ray(monkeypatch):
    monkeypatch.setattr(job, "ray_session", lambda: pytest.fail("Ray was started"))


@pytest.mark.parametrize("recipe", ["mini", "7b"])
def test_missing_weights_are_told_at_once(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"parts are missing: tower models/.*--parts\.tower"):
        recipe_job("jobs/finetune.py", finetune.run)([recipe, "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["/proc/run", "/dev/null/run"])
def test_a_folder_that_cannot_be_written_is_told_at_once(output):
    with pytest.raises(PaloError, match=output):
        recipe_job("jobs/finetune.py", finetune.run)(["nano", "--output", output])


def test_a_second_job_in_a_run_folder_is_refused(tmp_path):
    with (
        storage.alone_in(tmp_path),
        pytest.raises(ResourceError, match=f"another process is writing in this .*{os.getpid()}"),
    ):
        recipe_job("jobs/finetune.py", finetune.run)(["nano", "--output", str(tmp_path)])


def test_a_run_without_a_model_is_not_scored(tmp_path):
    with pytest.raises(DataError, match=rf"no finished model here: {tmp_path}/finetune"):
        evaluate.main(["nano", "--output", str(tmp_path)])


def test_scoring_needs_no_sources(tmp_path, finished_stage, monkeypatch):
    """The model may have been trained on another machine."""
    recipe, _ = parse_recipe(["7b", "--output", str(tmp_path)], RECIPES, "x")
    os.symlink(finished_stage, tmp_path / "finetune")
    monkeypatch.chdir(tmp_path)
    assert not Path(recipe.data.instructions).exists()
    evaluate.check(recipe)


def test_a_tracker_whose_package_is_missing_is_told_before_ray_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(tracker, "find_spec", lambda name: None)
    flags = ["--output", str(tmp_path), "--finetune.metrics.trackers", "mlflow"]
    with pytest.raises(ConfigError, match="pip install mlflow"):
        recipe_job("jobs/finetune.py", finetune.run)(["nano", *flags])
