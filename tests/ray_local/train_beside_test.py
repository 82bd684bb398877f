"""The comparison with other trainers runs on small shapes, so that it works when it is needed."""

import os
import subprocess
import sys

import pytest
from tests.conftest import ROOT

from palo import benchmark

_SMALL = {
    "layers": "1",
    "image-size": "28",
    "max-text-tokens": "32",
    "samples-per-step": "2",
    "micro-batches": "1",
    "steps": "1",
    "repeats": "1",
    "conversations": "60",
}


def compare(tmp_path, *others: str) -> dict[str, benchmark.Figure]:
    flags = [text for name, value in _SMALL.items() for text in (f"--{name}", value)]
    command = [sys.executable, "jobs/bench/train_beside.py", *flags, "--others", *others]
    command += ["--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = benchmark.read_results(tmp_path)["train_beside"]
    return {figure.name: figure for figure in result.figures}


def require(figures: dict[str, benchmark.Figure], other: str) -> None:
    assert figures[f"{other}_loss_difference"].met
    assert figures[f"ours_to_{other}_samples_per_s"].value > 0
    assert figures[f"{other}_cpu_s_a_sample"].value > 0


@pytest.mark.ray
def test_llavas_way_has_our_losses(tmp_path):
    require(compare(tmp_path, "llava_way"), "llava_way")


@pytest.mark.ray
@pytest.mark.engines
@pytest.mark.skipif(
    not os.environ.get("PALO_TRL_PYTHON"), reason="PALO_TRL_PYTHON names no Python with TRL"
)
def test_transformers_and_trl_have_our_losses(tmp_path):
    figures = compare(tmp_path, "transformers", "trl")
    require(figures, "transformers")
    require(figures, "trl")
