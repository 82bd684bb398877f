"""Jobs of recipes find what is missing before they start Ray."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from jobs import evaluate, finetune

from palo import config, storage
from palo.checkpoint.importing import open_projector
from palo.command import parse_recipe
from palo.errors import ConfigError, DataError, PaloError, ResourceError
from palo.pipeline import job, steps
from palo.pipeline.job import read_recipe, recipe_job
from palo.recipes import RECIPES
from palo.train.tracking import tracker


@pytest.fixture(autouse=True)
def no_ray(monkeypatch):
    monkeypatch.setattr(job, "ray_session", lambda **settings: pytest.fail("Ray was started"))


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


def test_a_start_takes_the_place_of_the_pretrain_stage():
    for words in (["--start-from", "there"], ["--projector", "there"]):
        recipe, _ = read_recipe(["7b", *words], "x")
        assert recipe.pretrain is None
        assert recipe.projector == Path("there")
        config.check(recipe)


def test_a_recipe_with_both_contradicts_itself():
    recipe = replace(RECIPES["7b"](), projector=Path("there"))
    with pytest.raises(ConfigError, match="takes the place of the pretrain stage: not both"):
        config.check(recipe)


def test_to_leave_the_stage_out_says_how():
    with pytest.raises(ConfigError, match=r"--pretrain None.*--start-from PATH"):
        read_recipe(["7b", "--pretrain", "None"], "x")


def test_a_start_that_is_not_there_is_told_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no stage or projector to start from: there"):
        recipe_job("jobs/finetune.py", finetune.run)(
            ["nano", "--start-from", "there", "--output", str(tmp_path / "out")]
        )


def test_of_a_run_its_pretrain_stage_is_the_start(tmp_path, finished_stage):
    run = tmp_path / "run"
    run.mkdir()
    os.symlink(finished_stage, run / "finetune")
    assert open_projector(run) == run / "finetune"
    os.symlink(finished_stage, run / "pretrain")
    assert open_projector(run) == run / "pretrain"


def test_a_pretrain_stage_that_is_shared_is_kept_for_one_run_at_a_time(tmp_path):
    recipe = replace(RECIPES["nano"](), output=tmp_path / "mine", pretrain_output=tmp_path / "all")
    with storage.alone_in(tmp_path / "all"), pytest.raises(ResourceError, match="another process"):
        steps.pretrain(recipe)


def test_what_is_shared_lies_where_it_lasts(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "lasting_path", lambda path: tmp_path / path)
    lasting = job.lasting(RECIPES["7b-only-ur"]())
    assert lasting.output == tmp_path / "runs" / "palo-7b-only-ur"
    assert lasting.corpora == tmp_path / "runs" / "corpora"
    assert lasting.pretrain_folder == tmp_path / "runs" / "palo-7b" / "pretrain"
    on_s3 = replace(RECIPES["7b"](), corpora=storage.path_of("s3://mine/corpora"))
    assert job.lasting(on_s3).corpora == storage.path_of("s3://mine/corpora")


def test_a_tracker_whose_package_is_missing_is_told_before_ray_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(tracker, "find_spec", lambda name: None)
    flags = ["--output", str(tmp_path), "--finetune.metrics.trackers", "mlflow"]
    with pytest.raises(ConfigError, match="pip install mlflow"):
        recipe_job("jobs/finetune.py", finetune.run)(["nano", *flags])


def test_a_store_has_a_recipes_weights_and_sources_and_what_it_writes(monkeypatch):
    monkeypatch.setenv("PALO_STORE", "s3://mine/palo")
    recipe, _ = read_recipe(["7b"], "x")
    assert str(recipe.parts.language_model) == "s3://mine/palo/models/vicuna-7b-v1.5"
    assert str(recipe.data.captions_images).startswith("s3://mine/palo/data/")
    assert str(recipe.output) == "s3://mine/palo/runs/palo-7b"
    assert str(recipe.corpora) == "s3://mine/palo/corpora"
    assert str(recipe.image_stores_folder) == "s3://mine/palo/images"
    only, _ = read_recipe(["7b-only-ur"], "x")
    assert str(only.pretrain_folder) == "s3://mine/palo/runs/palo-7b/pretrain"


def test_what_a_command_names_wins_over_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("PALO_STORE", "s3://mine/palo")
    named = ["--output", str(tmp_path), "--corpora", "s3://other/corpora", "--data", "own/rows.csv"]
    recipe, _ = read_recipe(["7b", *named, "--parts.tower", "own/clip"], "x")
    assert recipe.output == tmp_path
    assert str(recipe.corpora) == "s3://other/corpora"
    assert recipe.data.instructions == Path("own/rows.csv")
    assert recipe.parts.tower == Path("own/clip")
    by_name, _ = read_recipe(["7b", "--output", "runs/second"], "x")
    assert str(by_name.output) == "s3://mine/palo/runs/second"


def test_scenes_are_drawn_into_the_run_in_a_store(monkeypatch):
    monkeypatch.setenv("PALO_STORE", "s3://mine/palo")
    recipe, _ = read_recipe(["nano"], "x")
    assert recipe.parts == RECIPES["nano"]().parts  # they come with the package
    drawn = recipe.source(recipe.data.instructions)
    assert str(drawn) == "s3://mine/palo/runs/quickstart/scenes/instructions.jsonl"


def test_without_a_store_a_recipe_is_as_it_was(monkeypatch):
    monkeypatch.delenv("PALO_STORE", raising=False)
    for name, make in RECIPES.items():
        assert read_recipe([name], "x")[0] == make()
