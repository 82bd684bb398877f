import dataclasses
import json

import pytest

from palo import storage
from palo.errors import DataError
from palo.pipeline.run_comparison import Pair, compare_runs, read_run
from palo.pipeline.run_comparison_page import write_run_comparison
from palo.pipeline.run_comparison_text import comparison_lines
from palo.train.engine import PlainEngine
from palo.train.metrics import read_metrics
from palo.train.watch_settings import MetricsSettings, ValidationSettings
from palo.train.worker import train_stage

HELD_OUT = ValidationSettings(rows_per_language=2, most_share=0.3, every=2)


@pytest.fixture
def trained(make_job):
    """Trains a run's finetune stage with changed settings, and returns the run's folder."""

    def train(run, **changes):
        job = make_job(run, **({"validation": HELD_OUT} | changes))
        job = dataclasses.replace(job, output=job.output / "finetune")
        train_stage(job, PlainEngine)
        return job.output.parent

    return train


def test_equal_runs_are_said_to_be_equal_bit_for_bit(trained):
    runs = [read_run(trained(name)) for name in ("one", "two")]
    comparison = compare_runs(*runs)
    (stage,) = comparison.stages
    assert (stage.settings, stage.largest_difference) == ((), 0.0)
    assert stage.num_common == len(runs[0].stages["finetune"].metrics)
    lines = "\n".join(comparison_lines(comparison))
    assert f"all {stage.num_common} common steps are equal bit for bit" in lines
    assert "Settings that differ: none" in lines


def test_what_differs_is_named(trained):
    first = read_run(trained("one"))
    second = read_run(trained("two", seed=8, metrics=MetricsSettings(project="other")))
    (stage,) = compare_runs(first, second).stages
    assert [(one.name, one.first, one.second) for one in stage.settings] == [("seed", "7", "8")]
    losses = [[m.loss for m in run.stages["finetune"].metrics] for run in (first, second)]
    largest = max(abs(a - b) for a, b in zip(*losses, strict=True))
    assert stage.largest_difference == largest > 0


def test_losses_by_language_are_those_of_the_latest_common_evaluation(trained):
    first, second = trained("one"), trained("two")
    path = second / "finetune" / "validation.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    (stage,) = compare_runs(read_run(first), read_run(second)).stages
    assert stage.validation_step == json.loads(lines[-2])["step"]
    english = json.loads(lines[-2])["languages"]["en"]["loss"]
    assert stage.losses[0] == Pair(name="en", first=english, second=english)


def test_a_run_that_is_behind_is_compared_where_it_stands(trained):
    first, second = trained("one"), trained("two")
    path = second / "finetune" / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    (stage,) = compare_runs(read_run(first), read_run(second)).stages
    assert stage.num_common == 2
    figures = {one.name: one for one in stage.figures}
    pair = figures["loss around step 2"]
    assert pair.first == pair.second
    assert figures["steps done"].second == 2


def test_stages_are_compared_by_themselves_whatever_they_are_called(make_job):
    jobs = [make_job(name) for name in ("one", "two")]
    for job in jobs:
        train_stage(job, PlainEngine)
    (stage,) = compare_runs(*(read_run(job.output) for job in jobs)).stages
    assert stage.largest_difference == 0


def test_final_scores_are_compared_by_language(trained):
    runs = [trained(name) for name in ("one", "two")]
    for run, score in zip(runs, (0.5, 0.75), strict=True):
        report = {"accuracy": {"en": 0.9, "ur": score}, "accuracy_average": score}
        storage.write_json(run / "report.json", report)
    comparison = compare_runs(*map(read_run, runs))
    assert [(one.name, one.difference) for one in comparison.scores] == [
        ("en", 0.0), ("ur", 0.25), ("average", 0.25),
    ]  # fmt: skip
    assert any("ur" in line and "+25.0" in line for line in comparison_lines(comparison))


def test_a_run_of_an_earlier_version_takes_its_settings_from_its_lineage(trained):
    first, second = trained("one"), trained("two", seed=8)
    for run in (first, second):
        (run / "finetune" / "facts.json").unlink()
    (stage,) = compare_runs(read_run(first), read_run(second)).stages
    assert [one.name for one in stage.settings] == ["seed"]


def test_the_page_has_both_curves_and_runs_no_script(trained, tmp_path):
    first, second = (read_run(trained(name, seed=seed)) for name, seed in (("a", 1), ("b", 2)))
    page = tmp_path / "page.html"
    write_run_comparison(page, compare_runs(first, second), first, second)
    text = page.read_text()
    assert text.count('class="second"') >= 3
    assert "English" in text
    assert "<script" not in text


def test_a_folder_without_a_run_is_refused(tmp_path, trained):
    with pytest.raises(DataError, match="holds no run"):
        read_run(tmp_path / "nothing")
    run = trained("one")
    pretrain = run.with_name("other") / "pretrain"
    pretrain.mkdir(parents=True)
    (pretrain / "metrics.jsonl").write_text((run / "finetune" / "metrics.jsonl").read_text())
    other = read_run(pretrain.parent)
    assert read_metrics(pretrain / "metrics.jsonl")
    both = dataclasses.replace(other, stages=other.stages | {"another": other.stages["pretrain"]})
    with pytest.raises(DataError, match="no stage in common"):
        compare_runs(read_run(run), both)
