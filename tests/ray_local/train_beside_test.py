"""The comparison with other trainers runs on small shapes, so that it works when it is needed."""

import subprocess
import sys

import pytest
from tests.conftest import ROOT

from palo import benchmark

_SMALL = {
    "layers": "1",
    "image-size": "28",
    "max-text-tokens": "160",
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


@pytest.mark.ray
@pytest.mark.drill
@pytest.mark.timeout(1800)
def test_our_job_and_llavas_way_are_compared(tmp_path):
    figures = compare(tmp_path, "llava_way")
    assert figures["llava_way_loss_difference"].met
    for name in ("ours_to_llava_way_samples_per_s", "llava_way_to_ours_cpu_s_a_sample"):
        assert figures[name].value > 0
    assert "ours_samples_per_s" not in figures  # it has steps of its own
