"""The dry run: what is known of each step, and an honest word where nothing is."""

from dataclasses import replace

import pytest

from palo.recipes import RECIPES
from palo.reproduce.costs import cost_lines, print_costs, step_costs
from palo.reproduce.record import StepRecord, read_reproduction, write_reproduction
from palo.reproduce.settings import STEPS, ReproduceSettings
from palo.reproduce.steps import planned
from palo.translate.bulk.settings import TranslatorSettings

SETTINGS = ReproduceSettings().used()


def costs(recipe, settings=SETTINGS):
    record = read_reproduction(recipe.output, recipe.scale, STEPS)
    _, steps = planned(recipe, settings, record.step("translate"))
    return {one.step: one for one in step_costs(recipe, settings, steps, record)}


def test_a_paper_recipe_has_hours_gpus_storage_and_money(tmp_path):
    found = costs(replace(RECIPES["7b"](), output=tmp_path))
    for name in ("corpus", "pretrain", "finetune"):
        one = found[name]
        assert one.hours > 0
        assert one.gpus == 8
        assert one.storage_bytes > 1e8
    prices = {round(one.money / (one.hours * 8), 6) for one in found.values() if one.money}
    assert len(prices) == 1
    assert found["finetune"].money > found["pretrain"].money > found["corpus"].money > 0


def test_no_storage_is_counted_twice(tmp_path):
    from palo.pipeline.machines import Machines
    from palo.pipeline.plan import plan_recipe

    recipe = replace(RECIPES["7b"](), output=tmp_path)
    found = costs(recipe)
    planned_bytes = sum(plan_recipe(recipe, Machines()).disk().values())
    counted = sum(found[name].storage_bytes for name in ("corpus", "pretrain", "finetune"))
    assert counted == pytest.approx(planned_bytes)


def test_two_cores_have_no_speed_until_a_run_has_measured_it(recipe):
    assert costs(recipe)["finetune"].hours is None
    record = read_reproduction(recipe.output, "nano", STEPS)
    done = StepRecord(name="finetune", state="done", wall_s=1800.0)
    write_reproduction(recipe.output, record.with_step(done))
    one = costs(recipe)["finetune"]
    assert (one.hours, one.money) == (0.5, 0.0)
    assert one.source == "measured when this run did it"


def test_a_server_s_prices_are_not_guessed(recipe):
    server = TranslatorSettings(backend="endpoint")
    settings = replace(SETTINGS, translate=replace(SETTINGS.translate, translator=server))
    one = costs(recipe, settings)["translate"]
    assert (one.hours, one.money) == (None, None)


def test_the_table_has_a_line_for_each_step_and_a_sum(recipe, capsys):
    print_costs(recipe, SETTINGS)
    lines = capsys.readouterr().out.splitlines()
    first = [line.split()[0] for line in lines]
    assert first == ["step", *[name for name in STEPS if name != "align"], "known"]
    assert "not known" in lines[1]


def test_a_step_that_is_left_out_costs_nothing(tmp_path):
    found = costs(replace(RECIPES["7b"](), output=tmp_path))
    (line,) = (line for line in cost_lines(found.values()) if line.startswith("evaluate"))
    assert line.split(maxsplit=1)[1].startswith("left out: the recipe names no held-out data")
