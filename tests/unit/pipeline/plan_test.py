"""A recipe's plan: from its corpus, from a measured run, and by the command that people type."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from jobs import plan_run

from palo.errors import ConfigError, DataError, MismatchError
from palo.machine import GIB
from palo.model.sizes import from_folders
from palo.pipeline import plan
from palo.pipeline.machines import Machines
from palo.pipeline.plan import plan_recipe
from palo.recipes import RECIPES
from palo.recipes.alignment import with_parallel
from palo.train.engine import PlainEngine
from palo.train.model_flops import count_flops
from palo.train.planner.data_facts import facts_of
from palo.train.planner.gpus import GPUS, list_prices
from palo.train.planner.shapes import count_parameters, shapes_of
from palo.train.planner.stage_plan import model_flops
from palo.train.stage_model import build_model
from palo.train.stage_plan import make_plan
from palo.train.stages import ZeroSettings
from palo.train.worker import train_stage


@pytest.fixture
def own_corpus(training_inputs, monkeypatch):
    """The nano recipe on parts and a corpus of the tests."""
    parts, folder = training_inputs
    from palo.data.corpus_reader import open_corpus

    monkeypatch.setattr(plan, "open_corpus", lambda _: open_corpus(folder))
    return replace(RECIPES["nano"](), parts=parts), open_corpus(folder)


def test_a_corpus_that_is_there_gives_its_own_numbers(own_corpus):
    recipe, corpus = own_corpus
    planned = plan_recipe(recipe, Machines())
    facts = planned.stages[-1].facts
    assert facts.num_samples == len(corpus) == 22
    assert facts.num_images == 5
    assert facts.tokens == pytest.approx(corpus.lengths.mean() + 16 * corpus.has_image.mean())
    assert planned.gpu is None
    assert planned.fits is planned.hours is planned.money is None


def test_the_fullest_row_is_one_that_training_will_pack(own_corpus):
    recipe, corpus = own_corpus
    stage = replace(recipe.finetune, global_batch=5, token_budget=64)
    row = facts_of(corpus, stage, 16).fullest_row
    packing = make_plan(corpus, stage, 16)
    rows = [
        pack.indices
        for step in range(packing.num_steps_per_epoch)
        for packs in packing.packs(step, stage.workers.count)
        for pack in packs
    ]
    assert row.tokens == max(sum(map(packing.length, one)) for one in rows) <= 64
    assert row.targets == max(corpus.num_targets[list(one)].sum() for one in rows)


def test_a_measured_run_says_how_long_the_whole_takes(own_corpus, make_job):
    recipe, _ = own_corpus
    job = make_job(epochs=2, max_steps=8)
    train_stage(job, PlainEngine)
    planned = plan_recipe(recipe, Machines(measured=job.output))
    assert "measured on 5 steps" in planned.speed_from
    assert planned.hours is not None
    assert 0 < planned.hours < 1


def test_a_run_of_another_scale_says_nothing_of_this_one(make_job):
    job = replace(make_job(max_steps=4), recipe="mini")
    train_stage(job, PlainEngine)
    with pytest.raises(MismatchError, match="mini, not 7b"):
        plan_recipe(RECIPES["7b"](), Machines(measured=job.output))


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(DataError, match="no measured run here"):
        plan_recipe(RECIPES["7b"](), Machines(measured=tmp_path))


def test_an_unknown_gpu_is_told_with_those_that_are_known():
    with pytest.raises(ConfigError, match=r"gpu is 'a99'.*a100-40"):
        plan_recipe(RECIPES["7b"](), Machines(gpu="a99"))


@pytest.mark.parametrize("count", ["0", "-3"])
def test_a_plan_needs_a_gpu_or_a_worker(count):
    """Regression: no GPUs were a division by zero, after a quarter of a minute."""
    with pytest.raises(ConfigError, match=f"gpus is {count} but must be at least 1"):
        plan_run.main(["7b", "--gpus", count])


def test_the_command_prints_parts_hours_and_money(capsys):
    plan_run.main(["7b", "--gpu", "a100-40", "--price", "2", "--finetune.lora.rank", "64"])
    said = capsys.readouterr().out
    for words in (
        "fits            a100-40, 40 GiB", "of which 180,887,552 learn", "logits and loss",
        "at 2 a GPU-hour", "on   64 GPUs", "image store (features)",
    ):  # fmt: skip
        assert words in said
    hours = float(re.search(r"all stages +([\d.]+) h", said)[1])
    dollars = float(re.search(r"GPU-hours, ([\d,]+) dollars", said)[1].replace(",", ""))
    assert dollars == pytest.approx(hours * 8 * 2, rel=0.01)


def test_the_command_writes_json_of_another_number_of_gpus(tmp_path, capsys):
    plan_run.main(["13b", "--gpus", "64", "--json", str(tmp_path / "plan.json")])
    assert capsys.readouterr().out == f"plan: {tmp_path / 'plan.json'}\n"
    values = json.loads((tmp_path / "plan.json").read_text())
    assert values["fits"] is True
    assert values["money"] == pytest.approx(values["gpu_hours"] * values["price"])
    for stage in values["stages"]:
        assert stage["stage"]["workers"]["count"] == 64
        memory = stage["memory"]
        assert max(memory[name] for name in ("hiddens", "loss")) < memory["peak"] < 80 * GIB


def test_list_prices_come_with_their_date_and_source_and_a_price_overrules_them(capsys):
    plan_run.main(["7b", "--gpu", "h100"])
    listed = capsys.readouterr().out
    known = list_prices()
    assert f"list price of {known.date}: {known.source}" in listed
    assert f"at {known.dollars['h100']:g} a GPU-hour" in listed
    plan_run.main(["7b", "--gpu", "h100", "--price", "2.5"])
    said = capsys.readouterr().out
    assert "2.5 dollars a GPU-hour, as --price says" in said
    assert "list price" not in said
    assert set(known.dollars) <= set(GPUS)


def test_the_cost_and_the_table_are_one_sum(capsys):
    """Regression: the table left encoding out, so that it began below the cost above it."""
    made = RECIPES["7b"]()
    stage = replace(made.finetune, zero=ZeroSettings(stage=3))
    run = plan_recipe(replace(made, finetune=stage), Machines(gpu="a100-40"))
    eight = next(one for one in run.scaled if one.gpus == 8)
    assert run.encode is not None
    assert run.encode.gpu_hours > 0.5
    least, most = eight.money(run.price)
    assert least == pytest.approx(run.money)
    assert most > least


def test_utilisation_is_planned_by_the_convention_that_training_shows(own_corpus, make_job):
    recipe, _ = own_corpus
    job = make_job()
    counted = count_flops(build_model(job.parts, recipe.finetune, None), "lora")
    sizes = from_folders(job.parts.tower, job.parts.language_model)
    counts = count_parameters(sizes, recipe.finetune)
    assert model_flops(shapes_of(sizes), counts, recipe.finetune) == counted


def test_adapters_are_planned_one_by_one_with_one_pretrain_stage(capsys):
    plan_run.main(["7b", "--adapters", "en", "hi,ur"])
    said = capsys.readouterr().out
    assert said.count("pretrain\n") == 1
    rows = dict(re.findall(r"^(en|hi-ur) +([\d,]+) steps", said, flags=re.MULTILINE))
    steps = {name: int(count.replace(",", "")) for name, count in rows.items()}
    assert steps["en"] == pytest.approx(665_298 / 128, rel=0.02)
    assert steps["hi-ur"] >= 2 * 157_712 // 128
    each = plan.plan_adapters(replace(RECIPES["7b"](), adapters=("each",)), Machines())
    assert len(each) == 10
    total = re.search(r"all of them +([\d,]+) GPU-hours, ([\d,]+) dollars", said)
    assert total is not None
    one = next(adapter for adapter in each if adapter.name == "en")
    assert int(total[1].replace(",", "")) > one.plan.gpu_hours


def test_three_stages_are_planned_before_anything_is_there():
    recipe = with_parallel(RECIPES["7b"](), Path("opus"))
    text = replace(recipe.parallel, expected_pairs=1_000_000, expected_languages=("en", "ur"))
    planned = plan_recipe(replace(recipe, parallel=text), Machines())
    align, pretrain, finetune = planned.stages
    assert [one.name for one in planned.stages] == ["align", "pretrain", "finetune"]
    assert align.num_steps == 2_000_000 / 128
    assert align.facts.tokens == pytest.approx(32 * (1 + 4.1) + 55)
    assert align.facts.num_images == 0
    assert align.fits
    assert align.facts.fullest_row.tokens < finetune.facts.fullest_row.tokens
    assert planned.hours == pytest.approx(align.hours + pretrain.hours + finetune.hours)
    before = plan_recipe(RECIPES["7b"](), Machines())
    assert (pretrain, finetune) == before.stages
    assert planned.encode == before.encode
    # The merged copy is as large as the base in bfloat16.
    assert planned.disk()["aligned language model"] == 2 * 6_738_415_616
    assert "aligned language model" not in before.disk()


def test_more_pairs_and_dearer_languages_take_longer():
    recipe = with_parallel(RECIPES["7b"](), Path("opus"))

    def hours(**text):
        changed = replace(recipe, parallel=replace(recipe.parallel, **text))
        return plan_recipe(changed, Machines()).stages[0].hours

    assert hours() is None
    one = hours(expected_pairs=1_000_000, expected_languages=("en", "fr"))
    assert hours(expected_pairs=2_000_000, expected_languages=("en", "fr")) > 1.9 * one
    assert hours(expected_pairs=1_000_000, expected_languages=("en", "bn")) > 1.3 * one
