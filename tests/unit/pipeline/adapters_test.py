"""One adapter for each language on one base and one projector."""

import dataclasses
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tests.fixtures.training import NUM_SAMPLES

from palo import config, storage
from palo.checkpoint.finished import read_projector, read_stage, stage_folder
from palo.command import parse_recipe
from palo.errors import ConfigError, DataError
from palo.evaluate.answers.answer_cache import AnswerSet, ModelAnswer
from palo.evaluate.benches.bench import BenchItem, bench_of
from palo.evaluate.benches.sources.scenes import SOURCE
from palo.inference.adapters import load_adapter
from palo.model.assemble import assemble
from palo.pipeline import scoring, steps
from palo.pipeline.adapters import (
    TrainedAdapter,
    adapter_recipes,
    adapters_table,
    finetune_adapters,
    trained_adapters,
)
from palo.pipeline.steps import corpus_config, stage_job
from palo.pipeline.timings import read_timings
from palo.recipes import RECIPES
from palo.serve.grouping import group_by_base
from palo.serve.settings import ModelSource
from palo.train.engine import PlainEngine
from palo.train.metrics import read_metrics
from palo.train.stage_identity import identity
from palo.train.worker import train_stage

KNOWN = ("en", "zh", "hi", "ur")


def recipe_of(*adapters, **finetune):
    made = RECIPES["7b"]()
    changed = dataclasses.replace(made.finetune, **finetune)
    return dataclasses.replace(made, adapters=adapters, finetune=changed)


def test_the_command_line_names_adapters_and_their_languages():
    recipe, _ = parse_recipe(["7b", "--adapters", "hi,ur", "zh"], RECIPES, "jobs/finetune.py")
    first, second = adapter_recipes(recipe, KNOWN)
    assert (first.finetune.languages, second.finetune.languages) == (("hi", "ur"), ("zh",))
    assert str(first.finetune_folder) == "runs/palo-7b/adapters/hi-ur/finetune"


def test_each_makes_one_for_every_language_of_the_corpus():
    made = adapter_recipes(recipe_of("each"), KNOWN)
    assert [one.finetune.languages for one in made] == [(code,) for code in KNOWN]


def test_all_share_corpora_pretrain_stage_and_projector():
    recipe = recipe_of("each")
    made = adapter_recipes(recipe, KNOWN)
    for one in made:
        config.check(one)
        assert corpus_config(one, "finetune") == corpus_config(recipe, "finetune")
        assert stage_job(one, "finetune").projector == recipe.pretrain_folder
        assert not one.finetune.train_projector
    assert len({one.finetune_folder for one in made}) == len(KNOWN)


@pytest.mark.parametrize(
    ("recipe", "fault"),
    [
        (recipe_of("hi", "xx"), "adapters: 'xx' is neither each nor one of en"),
        (recipe_of("hi", "each"), "adapters: 'each' is neither"),
        (recipe_of("hi,ur", "zh", "hi,ur"), "two are for the same languages"),
        (recipe_of("each", languages=("hi",)), "leave finetune.languages out"),
        (recipe_of("each", trains="full", lora=None), "adapters go with finetune.trains=lora"),
    ],
)
def test_what_contradicts_itself_is_told(recipe, fault):
    with pytest.raises(ConfigError, match=fault):
        config.check(recipe)


def test_a_language_that_the_corpus_lacks_is_told_before_anything_is_trained():
    with pytest.raises(DataError, match="no sample in bn, ja: en, zh, hi, ur"):
        adapter_recipes(recipe_of("hi,bn", "ja"), KNOWN)


@pytest.fixture
def adapted(make_job):
    """A finished projector, and two adapters that were trained beside it."""
    first = make_job("pretrain", trains="projector", lora=None)
    train_stage(first, PlainEngine)
    jobs = []
    for name, seed in (("hi", 1), ("ur", 2)):
        job = make_job(f"{name}/finetune", train_projector=False, epochs=2, seed=seed)
        jobs.append(dataclasses.replace(job, projector=first.output))
        train_stage(jobs[-1], PlainEngine)
    return first, jobs


def test_adapters_learn_while_the_projector_stays_and_share_one_base(adapted):
    first, jobs = adapted
    kept = read_projector(first.output)
    sources = []
    for job in jobs:
        losses = [metrics.loss for metrics in read_metrics(job.metrics)]
        assert losses[-1] < losses[0]
        assert set(read_metrics(job.metrics)[0].learning_rates) == {"language_model"}
        own = read_projector(job.output)
        assert own.keys() == kept.keys()
        assert all(torch.equal(own[name], kept[name]) for name in kept)
        sources.append(ModelSource(name=job.output.parent.name, folder=job.output))
    assert [tuple(s.name for s in group) for group in group_by_base(sources)] == [("hi", "ur")]
    parts = read_stage(jobs[0].output).parts
    model = assemble(parts.tower, parts.language_model, parts.projector_type)
    one, other = (load_adapter(job.output, model) for job in jobs)
    assert one.projector is not None
    place = next(iter(one.layers[0]))
    assert not torch.equal(one.layers[0][place].up, other.layers[0][place].up)


@pytest.fixture
def small_run(training_inputs, make_job, tmp_path, monkeypatch):
    """A recipe of the tests' parts and corpus, in two languages; one process trains it."""
    parts, folder = training_inputs
    corpus = tmp_path / "corpus"
    shutil.copytree(folder, corpus)
    path = corpus / "samples" / "000.parquet"
    table = pq.read_table(path)
    codes = pa.array(["ur" if row % 2 else "en" for row in range(len(table))])
    place = table.schema.get_field_index("language")
    pq.write_table(table.set_column(place, table.schema.field(place), codes), path)
    manifest = storage.read_json(corpus / "manifest.json")
    (english,) = manifest["languages"]
    half = english | {"num_samples": NUM_SAMPLES // 2}
    manifest["languages"] = [half, half | {"language": "ur"}]
    storage.write_json(corpus / "manifest.json", manifest)
    config_of = steps.corpus_config
    monkeypatch.setattr(
        steps,
        "corpus_config",
        lambda recipe, stage: dataclasses.replace(config_of(recipe, stage), output=corpus),
    )
    trained = []

    def run_stage(job, callback):
        trained.append(job)
        return train_stage(job, PlainEngine)

    monkeypatch.setattr(steps, "run_stage", run_stage)
    made = RECIPES["nano"]()
    recipe = dataclasses.replace(
        made,
        output=tmp_path / "run",
        parts=parts,
        pretrain=make_job(trains="projector", lora=None).config,
        finetune=make_job(epochs=2).config,
        adapters=("each",),
    )
    config.check(recipe)
    steps.pretrain(recipe)
    return recipe, trained


def test_a_run_trains_one_after_the_other_and_goes_on_where_it_was(small_run, capsys):
    recipe, trained = small_run
    finetune_adapters(recipe)
    said = capsys.readouterr().out
    assert [job.output.parent.name for job in trained[1:]] == ["en", "ur"]
    assert "adapter ur (2 of 2)" in said
    values = storage.read_json(recipe.output / "adapters.json")
    assert [one["name"] for one in values] == ["en", "ur"]
    for one, job in zip(values, trained[1:], strict=True):
        steps_done = read_metrics(job.metrics)
        assert one["num_steps"] == len(steps_done)
        assert sum(metrics.num_samples for metrics in steps_done) == NUM_SAMPLES  # two epochs
        assert one["folder"] in said
        assert (recipe.output / "adapters" / one["name"]) == Path(one["folder"])
        assert stage_folder(Path(one["folder"])) == job.output
    assert {"finetune_en", "finetune_ur"} <= read_timings(recipe).keys()
    shutil.rmtree(recipe.output / "adapters" / "ur")
    finetune_adapters(recipe)
    assert "already finished" in capsys.readouterr().out
    assert [job.output.parent.name for job in trained[3:]] == ["ur"]
    assert storage.read_json(recipe.output / "adapters.json") == values


def test_each_adapter_answers_the_questions_in_its_languages(small_run, monkeypatch):
    recipe, _ = small_run
    asked = {}

    def answer(bench, settings, folder):
        model = settings.stage.parent.name
        asked[model] = {item.language for item in bench.items}
        return {
            name: AnswerSet(
                name=name,
                answers={i.key: ModelAnswer(key=i.key, text=model) for i in bench.items},
                unanswered={}, num_cached=0, num_asked=len(bench.items),
            )
            for name in settings.variants
        }  # fmt: skip

    monkeypatch.setattr(scoring, "answer_from_checkpoint", answer)
    items = [
        BenchItem(
            language=code,
            question_id=f"q{number}",
            question="?",
            references=("a",),
            image=Path("x.png"),
            category="kind",
        )
        for number, code in enumerate(("en", "ur", "hi", "ur"))
    ]
    bench = bench_of(SOURCE, items)
    models = trained_adapters(recipe)
    wanted = scoring._in_languages(bench, models)
    assert wanted is not None
    assert len(wanted.items) == 3
    found = scoring._answered(wanted, models, recipe.output)
    assert asked == {"en": {"en"}, "ur": {"ur"}}
    for answers in found.values():
        assert {item.key: item.language for item in wanted.items} == {
            key: answer.text for key, answer in answers.answers.items()
        }
        assert answers.num_asked == 3


def test_a_fresh_projector_that_never_learns_is_refused(make_job):
    with pytest.raises(ConfigError, match="train_projector is off, and no stage gives"):
        train_stage(make_job(train_projector=False), PlainEngine)
    stage = make_job(trains="projector", lora=None, train_projector=False).config
    assert any("would train nothing" in fault for fault in stage.faults())


def test_a_projector_that_stays_is_another_run(make_job):
    assert identity(make_job(train_projector=False)) != identity(make_job())


def test_the_table_has_a_line_for_each(tmp_path):
    one = TrainedAdapter(
        name="hi-ur", languages=("hi", "ur"), folder=tmp_path, num_samples=3000, num_steps=60,
        loss=0.5, held_out_loss=None,
    )  # fmt: skip
    other = dataclasses.replace(one, name="bn", held_out_loss=0.25)
    headings, first, second = adapters_table([one, other]).splitlines()
    assert headings.split()[:3] == ["adapter", "samples", "steps"]
    assert first.split() == ["hi-ur", "3,000", "60", "0.5000", "none", str(tmp_path)]
    assert second.split()[4] == "0.2500"
