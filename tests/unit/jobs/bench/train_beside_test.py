"""The comparison with other trainers: its steps, its figures, and that it refuses what differs."""

import dataclasses
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.conftest import ROOT

from palo.data.corpus_reader import open_corpus
from palo.data.loader import PackLoader
from palo.errors import MismatchError
from palo.text.encoding import IMAGE_SENTINEL
from palo.train.engine import PlainEngine
from palo.train.loop import learning_rate_scale, row_loss
from palo.train.stage_model import build_model
from palo.train.stage_plan import make_plan

TRL = "PALO_TRL_PYTHON"


@pytest.fixture
def bench(monkeypatch):
    """The bench's own modules, which are importable from beside the bench alone."""
    monkeypatch.syspath_prepend(str(ROOT / "jobs" / "bench"))
    _forget_modules()
    import resuming
    from training import (
        beside_compare,
        beside_figures,
        beside_inputs,
        beside_runs,
        beside_samples,
        beside_settings,
    )

    yield SimpleNamespace(
        resuming=resuming,
        compare=beside_compare,
        figures=beside_figures,
        inputs=beside_inputs,
        runs=beside_runs,
        samples=beside_samples,
        settings=beside_settings,
    )
    _forget_modules()


def _forget_modules() -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in ("training", "resuming"):
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


def _samples(bench, step_images: list[bool]) -> list:
    """Two samples of each step, with images or without."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for has_image in step_images:
        for length in (12, 9):
            ids = torch.randint(1000, 30_000, (length,), generator=generator).tolist()
            if has_image:
                ids.insert(2, IMAGE_SENTINEL)
            made.append(bench.samples.Sample(ids, [(6, len(ids))], length))
    return made


def _plain_losses(job, tokens_per_image: int) -> list[float]:
    """Trains in one process without DeepSpeed, on packed rows."""
    model = build_model(job.parts, job.config, None).train()
    engine = PlainEngine(model, job.config)
    corpus = open_corpus(job.corpus)
    plan = make_plan(corpus, job.config, tokens_per_image)
    losses = []
    with PackLoader(corpus, plan) as loader:
        for step in loader:
            total = 0.0
            for row in step.micro_batches:
                part = row_loss(model, row, chunked=False)
                engine.backward(part / step.num_target_tokens, last=True)
                total += float(part.detach())
            warmup = job.config.optimizer.warmup_ratio
            engine.step(learning_rate_scale(step.step, plan.num_steps, warmup))
            losses.append(total / step.num_target_tokens)
    return losses


@pytest.mark.parametrize(
    "name",
    [
        "llava_way",
        pytest.param(
            "trl",
            marks=[
                pytest.mark.engines,
                pytest.mark.skipif(
                    not os.environ.get(TRL), reason=f"{TRL} names no Python with TRL"
                ),
            ],
        ),
    ],
)
def test_another_trainer_has_the_losses_of_one_plain_process(bench, monkeypatch, tmp_path, name):
    samples = _samples(bench, [True, False, True])  # a step without images trains like the others
    monkeypatch.setattr(bench.inputs, "drawn_steps", lambda *_: samples)
    settings = bench.settings.BesideBench(
        layers=1, image_size=28, samples_per_step=2, micro_batches=(1,), warmup_steps=1, steps=2
    )
    (side,) = (side for side in bench.settings.OTHERS if side.name == name)
    inputs = bench.inputs.write_inputs(settings, ROOT, side.order, 0, tmp_path)
    python = os.environ[TRL] if side.variable else sys.executable
    run = bench.runs.run_side(settings, inputs, side, python, 1, tmp_path / name)
    expected = _plain_losses(inputs.job, tokens_per_image=4)
    # Measured: 1e-7 of the loss.
    assert [step.loss for step in run.steps] == pytest.approx(expected, rel=1e-6)
    assert expected[2] < expected[0]
    assert all(step.cpu_s > 0 for step in run.steps)


def test_a_portion_ends_where_the_next_one_goes_on(bench, monkeypatch, tmp_path):
    done = []

    def run_side(settings, inputs, side, python, micro_batch, folder: Path):
        done.append((side.name, micro_batch))
        return _run(bench, seconds=5.0 - micro_batch, loss=8.0)

    monkeypatch.setattr(bench.compare, "run_side", run_side)
    monkeypatch.setattr(bench.compare, "write_inputs", lambda *_: SimpleNamespace())
    monkeypatch.setattr(
        bench.resuming, "command_lines", lambda *command: [] if "status" in command else ["0" * 40]
    )
    settings = bench.settings.BesideBench(cache=tmp_path, micro_batches=(4, 2))

    def measure(stop_after_s: float | None):
        limited = dataclasses.replace(settings, stop_after_s=stop_after_s)
        return bench.compare.measure_beside(limited, ROOT, {TRL: "python"})

    with pytest.raises(bench.resuming.TimeOverError, match="ours"):
        measure(-1.0)
    measured = measure(None)
    # The first repeat tries each size of a batch, the second goes the other way round.
    assert done == [
        *[("ours", 0), ("transformers", 4), ("transformers", 2), ("trl", 4), ("trl", 2)],
        *[("ours_on_llava_steps", 0), ("llava_way", 4)],
        *[("trl", 4), ("transformers", 4), ("ours", 0)],
        *[("llava_way", 4), ("ours_on_llava_steps", 0)],
    ]
    assert measured.micro_batches == {"transformers": 4, "trl": 4, "llava_way": 4}
    done.clear()
    assert measure(-1.0) == measured
    assert not done
