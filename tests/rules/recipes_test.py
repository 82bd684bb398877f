"""Every recipe is sound and can be tried without weights or data."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from palo import config
from palo.pipeline.steps import corpus_config
from palo.recipes import RECIPES, Recipe


@pytest.fixture(params=list(RECIPES))
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return RECIPES[request.param]()


def test_it_has_no_fault_and_survives_being_written(recipe: Recipe) -> None:
    config.check(recipe)
    assert config.from_dict(Recipe, config.to_dict(recipe)) == recipe


def test_no_two_recipes_share_a_run_folder() -> None:
    folders = [make().output for make in RECIPES.values()]
    assert len(set(folders)) == len(folders)


def test_its_dry_run_says_what_each_stage_costs(recipe: Recipe, capsys) -> None:
    from palo.model.sizes import SIZES
    from palo.pipeline.dry_run import dry_run

    if recipe.parts.missing() and recipe.scale not in SIZES:
        pytest.skip(f"the parts of {recipe.scale} are not here")
    dry_run(recipe)
    printed = capsys.readouterr().out
    for word in ("pretrain\n", "finetune\n", "parameters", "memory", "source "):
        assert word in printed
    for line in recipe.data.mixture.lines():
        assert line in printed


@pytest.mark.parametrize(
    ("name", "num_pretrain_steps", "num_finetune_steps"),
    [("mobile-1.7b", 2326, 16287), ("7b", 2326, 16287), ("13b-scripts", 2326, 16287)],
)
def test_the_papers_steps_follow_from_its_counts(name, num_pretrain_steps, num_finetune_steps):
    recipe = RECIPES[name]()
    assert recipe.pretrain is not None
    data = recipe.data
    for rows, stage, steps in (
        (data.expected_captions, recipe.pretrain, num_pretrain_steps),
        (data.expected_instructions, recipe.finetune, num_finetune_steps),
    ):
        assert rows is not None
        assert math.ceil(rows / stage.global_batch) == steps


def test_the_papers_mixtures_follow_from_its_counts() -> None:
    whole = RECIPES["7b"]().data
    assert whole.expected_instructions == 2_084_706 == sum(whole.mixture.per_language.values())
    singles = {name: make() for name, make in RECIPES.items() if re.fullmatch("7b-only-..", name)}
    assert len(singles) == 10
    assert singles["7b-only-en"].data.expected_instructions == 665_298
    urdu = singles["7b-only-ur"]
    assert urdu.data.expected_instructions == 157_712
    assert urdu.finetune == replace(RECIPES["7b"]().finetune, languages=("ur",))
    more = RECIPES["7b-only-bn-72k"]().data
    assert more.mixture.per_language == {"bn": 157_712 + 72_140}


def test_the_rows_of_table_2_share_one_pretrain_stage_and_one_corpus() -> None:
    """Regression: each run repeated 40 GPU-hours, and a shared folder of corpora collided."""
    rows = [make() for name, make in RECIPES.items() if re.fullmatch("7b(-only-..)?", name)]
    assert len(rows) == 11
    for stage in ("pretrain", "finetune"):
        assert len({corpus_config(row, stage).output for row in rows}) == 1
    assert {row.pretrain_folder for row in rows} == {Path("runs/palo-7b/pretrain")}
    assert len({row.finetune_folder for row in rows}) == 11
    assert all(row.pretrain == rows[0].pretrain for row in rows)
    others = [RECIPES[name]() for name in ("13b", "mobile-1.7b", "7b-scripts", "llava-7b")]
    outputs = {corpus_config(one, "finetune").output for one in (rows[0], *others)}
    assert len(outputs) == 5


def test_the_baselines_have_their_authors_settings() -> None:
    for name, alpha in (("llava-7b", 256.0), ("llava-13b", 256.0), ("mobilevlm-1.7b", None)):
        recipe = RECIPES[name]()
        assert recipe.pretrain is not None
        assert recipe.pretrain.optimizer.lr_projector == 1e-3
        assert (recipe.pretrain.global_batch, recipe.finetune.global_batch) == (256, 128)
        assert (recipe.data.pretrain_aspect, recipe.data.aspect) == ("crop", "pad")
        assert recipe.data.overflow == "truncate"
        assert recipe.data.expected_captions == 558_128
        assert recipe.data.expected_instructions == 665_298
        lora, optimizer = recipe.finetune.lora, recipe.finetune.optimizer
        assert (lora.alpha if lora else None) == alpha
        expected = 2e-5 if lora is None else 2e-4
        assert (optimizer.lr_projector, optimizer.lr_language_model) == (2e-5, expected)


def test_paper_and_scripts_differ_where_the_paper_and_its_code_do() -> None:
    paper, scripts = RECIPES["7b"](), RECIPES["7b-scripts"]()
    assert paper.finetune.lora is not None
    assert scripts.finetune.lora is not None
    assert paper.pretrain is not None
    assert scripts.pretrain is not None
    assert (paper.finetune.lora.alpha, scripts.finetune.lora.alpha) == (128, 256)
    assert paper.pretrain.optimizer.lr_projector == 2e-3
    assert scripts.pretrain.optimizer.lr_projector == 1e-3
    assert (paper.data.overflow, scripts.data.overflow) == ("split", "truncate")
    whole = RECIPES["mobile-1.7b-scripts"]().finetune
    assert (whole.trains, whole.zero.stage) == ("full", 2)
