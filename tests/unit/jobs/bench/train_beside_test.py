"""The comparison with other trainers: its steps, its figures, and that it refuses what differs."""

import sys
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

from palo.errors import MismatchError


@pytest.fixture
def bench(monkeypatch):
    """The bench's own modules, which are importable from beside the bench alone."""
    folder = str(ROOT / "jobs" / "bench")
    monkeypatch.syspath_prepend(folder)
    from training import (
        beside_compare,
        beside_figures,
        beside_runs,
        beside_samples,
        beside_settings,
    )

    yield SimpleNamespace(
        compare=beside_compare,
        figures=beside_figures,
        runs=beside_runs,
        samples=beside_samples,
        settings=beside_settings,
    )
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(folder):
            del sys.modules[name]


def test_llavas_steps_have_one_modality_and_deal_the_longest_first(bench):
    lengths = [*range(10, 30), 5, 6, 7, 8]
    images = [True] * 20 + [False] * 4
    order = bench.samples.modality_grouped(lengths, images, workers=2, step_size=4, seed=3)
    assert sorted(order) == list(range(24))
    steps = [order[start : start + 4] for start in range(0, 24, 4)]
    for step in steps:
        assert len({images[index] for index in step}) == 1
        one, other = (sorted(lengths[i] for i in step[half : half + 2]) for half in (0, 2))
        longest = max(one[-1], other[-1])
        # Whoever has the longest sample gets the shortest with it.
        paired = one if longest == one[-1] else other
        assert paired[0] == min(one + other)


def _run(bench, *, seconds: float, loss: float):
    step = bench.runs.Step(loss=loss, seconds=seconds, cpu_s=2 * seconds)
    return bench.runs.Run(start_up_s=9.0, steps=(step,) * 3)


def _measured(bench, loss: float):
    runs = {"ours": [_run(bench, seconds=2.0, loss=8.0)]}
    runs["transformers"] = [_run(bench, seconds=3.0, loss=loss)]
    return bench.compare.Measured(runs=runs, micro_batches={"transformers": 4})


def test_figures_are_ratios_of_the_same_steps(bench):
    settings = bench.settings.BesideBench(warmup_steps=1, steps=2, samples_per_step=8)
    figures = {
        each.name: each
        for each in bench.figures.beside_figures(settings, _measured(bench, 8.0 + 1e-6))
    }
    assert figures["ours_samples_per_s"].value == pytest.approx(4.0)
    assert figures["transformers_cpu_s_a_sample"].value == pytest.approx(0.75)
    for name in ("ours_to_transformers_samples_per_s", "ours_to_best_samples_per_s"):
        assert figures[name].value == pytest.approx(1.5)
        assert figures[name].target == 1.5


@pytest.mark.parametrize("loss", [8.001, float("nan")])
def test_other_losses_are_no_result(bench, loss):
    settings = bench.settings.BesideBench(warmup_steps=1, steps=2)
    with pytest.raises(MismatchError, match="losses of transformers differ"):
        list(bench.figures.beside_figures(settings, _measured(bench, loss)))


def test_wrong_settings_are_told(run_job_here):
    done = run_job_here("jobs/bench/train_beside.py", "--micro-batches", "3", "--others", "unsloth")
    assert done.returncode == 2
    assert "micro_batches has 3" in done.stderr
    assert "others has unsloth" in done.stderr


def test_a_part_of_the_trainers_makes_no_result_to_keep(run_job_here):
    done = run_job_here("jobs/bench/train_beside.py", "--others", "transformers")
    assert done.returncode == 2
    assert "--output FOLDER" in done.stderr
