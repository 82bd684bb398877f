"""The steps of recipes: which there are, what they are made of, what is left out."""

import shutil
from dataclasses import replace

import pytest

from palo import config, storage
from palo.recipes import RECIPES
from palo.reproduce import translation
from palo.reproduce.decisions import changes
from palo.reproduce.record import StepRecord
from palo.reproduce.settings import ReproduceSettings
from palo.reproduce.step_process import StepOrder
from palo.reproduce.steps import planned

SETTINGS = ReproduceSettings().used()
WAITS, DONE = StepRecord(name="translate"), StepRecord(name="translate", state="done")


@pytest.fixture(autouse=True)
def apertium(monkeypatch):
    monkeypatch.setattr(translation.shutil, "which", lambda name: f"/usr/bin/{name}")


def plan(recipe, settings=SETTINGS, translated=WAITS):
    whole, steps = planned(recipe, settings, translated)
    return whole, {step.name: step for step in steps}


def test_nano_has_all_seven_steps(recipe):
    _, steps = plan(recipe)
    assert list(steps) == [
        "translate", "corpus", "pretrain", "finetune", "evaluate", "export", "deploy",
    ]  # fmt: skip
    assert not any(step.left_out for step in steps.values())


def test_the_finetune_stage_learns_from_the_translations(recipe):
    whole, _ = plan(recipe)
    assert whole.data.more_instructions == recipe.output / "translations" / "records"


def test_without_apertium_nothing_is_translated_and_it_is_said(recipe, monkeypatch):
    monkeypatch.setattr(translation.shutil, "which", lambda name: None)
    whole, steps = plan(recipe)
    assert "Apertium isn't installed here: apt-get install" in steps["translate"].left_out
    assert whole.data.more_instructions is None
    whole, steps = plan(recipe, translated=DONE)
    assert not steps["translate"].left_out
    assert whole.data.more_instructions is not None


@pytest.mark.parametrize(
    ("name", "step", "words"),
    [
        ("7b", "translate", "--translate.source names others"),
        ("7b-only-bn-72k", "translate", "the recipe has further instructions"),
        ("7b", "evaluate", "names no held-out data"),
        ("7b", "deploy", "--deploy.image FILE --deploy.question TEXT"),
    ],
)
def test_what_a_recipe_lacks_is_left_out_with_the_reason(name, step, words):
    _, steps = plan(RECIPES[name]())
    assert words in steps[step].left_out


def test_a_start_from_a_projector_leaves_pretraining_out(recipe, tmp_path):
    _, steps = plan(replace(recipe, pretrain=None, projector=tmp_path / "projector"))
    assert "is the start" in steps["pretrain"].left_out


def test_alignment_is_a_step_of_recipes_that_have_it(tmp_path):
    _, steps = plan(replace(RECIPES["nano-aligned"](), output=tmp_path))
    assert list(steps)[1:3] == ["corpus", "align"]


def test_a_corpus_is_known_by_its_settings_and_the_translations(recipe, tmp_path):
    _, steps = plan(recipe)
    before = steps["corpus"].inputs()
    record = StepRecord(name="corpus", inputs=before.hashes, settings=before.settings)
    assert changes(record, steps["corpus"].inputs()) == ""

    longer = replace(recipe, data=replace(recipe.data, max_text_tokens=99))
    _, changed = plan(longer)
    assert "limits.max_text_tokens 448 -> 99" in changes(record, changed["corpus"].inputs())

    storage.write_text(recipe.output / "translations" / "records" / "es.jsonl", "{}\n")
    assert changes(record, steps["corpus"].inputs()) == "translations es.jsonl"


def test_a_run_that_was_moved_is_made_of_the_same(recipe, tmp_path):
    _, steps = plan(recipe)
    before = steps["corpus"].inputs()
    moved = replace(recipe, output=recipe.output.rename(tmp_path / "elsewhere"))
    _, steps = plan(moved)
    assert steps["corpus"].inputs() == before


def test_a_source_that_changed_is_named(recipe, tmp_path):
    rows = tmp_path / "rows.jsonl"
    storage.write_text(rows, "{}\n")
    data = replace(recipe.data, instructions=rows, instructions_images=tmp_path)
    _, steps = plan(replace(recipe, data=data))
    before = steps["corpus"].inputs()
    record = StepRecord(name="corpus", inputs=before.hashes, settings=before.settings)
    storage.write_text(rows, "{}\n{}\n")
    assert changes(record, steps["corpus"].inputs()) == "source instructions"


def test_another_answer_length_scores_again_and_trains_nothing(recipe):
    """What only the report needs is no input of a training."""
    other = replace(recipe, data=replace(recipe.data, max_answer_tokens=9))
    first, second = (plan(one)[1] for one in (recipe, other))
    assert first["evaluate"].inputs() != second["evaluate"].inputs()
    assert first["corpus"].inputs() == second["corpus"].inputs()


def test_a_port_is_no_part_of_an_answer(recipe):
    other = replace(SETTINGS, deploy=replace(SETTINGS.deploy, port=9000, wait_s=5.0))
    assert plan(recipe)[1]["deploy"].inputs() == plan(recipe, other)[1]["deploy"].inputs()


def test_an_unfinished_step_has_left_nothing(recipe):
    _, steps = plan(recipe)
    assert [name for name, step in steps.items() if step.outputs()] == []


def test_a_finished_stage_is_known_by_its_weights(recipe, finished_stage):
    shutil.copytree(finished_stage, recipe.output / "finetune")
    _, steps = plan(recipe)
    assert list(steps["finetune"].outputs()) == ["projector.safetensors"]


@pytest.mark.parametrize("name", ["nano", "mini", "7b", "nano-aligned", "7b-only-bn-72k"])
def test_an_order_reaches_its_process_as_it_was(name, tmp_path):
    order = StepOrder(
        step="corpus", recipe=RECIPES[name](), settings=SETTINGS, serve=tmp_path / "serve.py"
    )
    path = tmp_path / "order.json"
    storage.write_json(path, config.to_dict(order))
    assert config.from_dict(StepOrder, storage.read_json(path)) == order
