"""An align stage for any recipe, and starts from one that was trained before."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from palo import config, storage
from palo.checkpoint.finished import read_stage
from palo.checkpoint.merged_language_model import merged_language_model
from palo.errors import ConfigError, DataError
from palo.pipeline.job import read_recipe
from palo.pipeline.source_checks import check_sources, missing_sources
from palo.pipeline.starts import require_aligned
from palo.pipeline.steps import corpus_config, stage_job, stage_names
from palo.recipes import RECIPES
from palo.recipes.alignment import with_parallel
from palo.train.stages import StageJob

# What recipes without an align stage were known by before there was one.
CORPORA = {
    ("7b", "pretrain"): "pretrain-bd9cca64247c",
    ("7b", "finetune"): "finetune-616839d9fc30",
    ("13b-scripts", "pretrain"): "pretrain-3de3d333c1e9",
    ("13b-scripts", "finetune"): "finetune-3582af312aad",
}


def read(*arguments):
    return read_recipe(list(arguments), "jobs/finetune.py")[0]


@pytest.mark.parametrize(("name", "stage"), list(CORPORA))
def test_recipes_without_an_align_stage_name_the_corpora_that_they_always_named(name, stage):
    assert corpus_config(RECIPES[name](), stage).output.name == CORPORA[name, stage]


@pytest.mark.parametrize("name", ["7b", "13b-scripts", "mini", "nano"])
def test_recipes_without_an_align_stage_are_the_jobs_that_they_always_were(name):
    """What a stage is known by follows from its job alone, which knows of no align stage."""
    recipe = RECIPES[name]()
    assert stage_names(recipe) == ("pretrain", "finetune")
    assert stage_job(recipe, "pretrain") == StageJob(
        name="pretrain",
        config=recipe.pretrain,
        parts=recipe.parts,
        corpus=corpus_config(recipe, "pretrain").output,
        output=recipe.output / "pretrain",
        recipe=recipe.scale,
    )
    assert stage_job(recipe, "finetune") == StageJob(
        name="finetune",
        config=recipe.finetune,
        parts=recipe.parts,
        corpus=corpus_config(recipe, "finetune").output,
        output=recipe.output / "finetune",
        projector=recipe.output / "pretrain",
        recipe=recipe.scale,
    )


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_takes_parallel_text_of_ones_own(name):
    recipe = with_parallel(RECIPES[name](), Path("opus/en-ur.tsv"))
    config.check(recipe)
    assert config.from_dict(type(recipe), config.to_dict(recipe)) == recipe
    assert stage_names(recipe) == ("align", "pretrain", "finetune")
    assert recipe.output != RECIPES[name]().output
    assert recipe.align is not None
    assert recipe.align.optimizer.lr_projector == 0
    (source,) = corpus_config(recipe, "align").sources
    assert source.images is None


def test_the_image_stages_start_from_the_aligned_language_model():
    recipe = RECIPES["nano-aligned"]()
    jobs = {name: stage_job(recipe, name) for name in stage_names(recipe)}
    base = RECIPES["nano"]().parts.language_model
    assert jobs["align"].parts.language_model == base
    merged = recipe.output / "align" / "merged" / "language_model"
    assert jobs["pretrain"].parts.language_model == merged
    assert jobs["finetune"].parts.language_model == merged
    assert jobs["align"].projector is jobs["pretrain"].projector is None
    whole = replace(recipe, align=replace(recipe.align, trains="full", lora=None))
    assert whole.image_parts.language_model == recipe.output / "align" / "language_model"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"parallel": None}, "an align stage and parallel text go together"),
        ({"align": None}, "an align stage and parallel text go together"),
        ({"output": storage.path_of("s3://a/b")}, "needs an output on a disk"),
        ({"scenes": None}, "scene_text needs scenes"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_told(changes, told):
    with pytest.raises(ConfigError, match=told):
        config.check(replace(RECIPES["nano-aligned"](), **changes))


def test_an_align_stage_of_the_projector_alone_is_told():
    recipe = RECIPES["nano-aligned"]()
    stage = replace(recipe.align, trains="projector", lora=None)
    with pytest.raises(ConfigError, match="learns nothing without images"):
        config.check(replace(recipe, align=stage))


@pytest.fixture
def run(tmp_path, adapted_stage):
    """A run with a finished align and a finished pretrain stage."""
    for name in ("tower", "language_model", "tokenizer"):
        shutil.copytree(adapted_stage.parent / name, tmp_path / "run" / name)
    for name in ("align", "pretrain"):
        shutil.copytree(adapted_stage, tmp_path / "run" / name)
    return tmp_path / "run"


@pytest.mark.parametrize("place", ["", "align"])
def test_another_run_starts_from_an_aligned_language_model(run, place):
    with pytest.raises(DataError, match="there is no aligned language model here"):
        require_aligned(read("nano", "--aligned", str(run / place)))
    folder = merged_language_model(read_stage(run / "align"))
    recipe = read("nano-aligned", "--aligned", str(run / place))
    assert recipe.parts.language_model == folder
    assert stage_names(recipe) == ("pretrain", "finetune")
    assert stage_job(recipe, "pretrain").parts.language_model == folder
    require_aligned(recipe)


@pytest.mark.parametrize("place", ["", "pretrain"])
def test_a_projector_brings_the_language_model_that_it_learned_beside(run, place):
    folder = merged_language_model(read_stage(run / "align"))
    recipe = read("nano-aligned", "--start-from", str(run / place))
    assert stage_names(recipe) == ("finetune",)
    assert recipe.parts.language_model == folder
    shutil.rmtree(run / "align")
    recipe = read("nano", "--start-from", str(run / place))
    assert recipe.parts == RECIPES["nano"]().parts


def test_a_start_that_is_none_is_told(tmp_path):
    recipe = read("nano", "--aligned", str(tmp_path / "no"))
    with pytest.raises(DataError, match="there is no aligned language model here"):
        require_aligned(recipe)
    require_aligned(read("nano"))
    with pytest.raises(ConfigError, match="two ways to an aligned language model"):
        read("nano", "--aligned", str(tmp_path), "--parallel", "a.tsv")


def test_text_that_is_missing_or_wrong_is_told_before_anything_starts(tmp_path):
    recipe = replace(RECIPES["nano-aligned"](), output=tmp_path)
    assert list(missing_sources(recipe, "align")) == []  # the run writes it
    check_sources(recipe)
    path = tmp_path / "own.tsv"
    recipe = with_parallel(recipe, path)
    assert list(missing_sources(recipe, "align")) == [path]
    with pytest.raises(DataError, match="there is no parallel text here"):
        check_sources(recipe)
    path.write_text("en\tur\nOne\tایک\n", encoding="utf-8")
    assert list(missing_sources(recipe, "align")) == []
    check_sources(recipe)


def test_recipes_share_the_rows_of_parallel_text_by_their_name():
    from palo.pipeline.parallel_text import parallel_folder

    first, second = (with_parallel(RECIPES[name](), Path("a.tsv")) for name in ("7b", "13b"))
    assert parallel_folder(first) == parallel_folder(second)
    other = with_parallel(RECIPES["7b"](), Path("b.tsv"))
    assert parallel_folder(first) != parallel_folder(other)
