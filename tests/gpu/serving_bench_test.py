"""The bench of Vicuna-7B's shapes, with small ones."""

import subprocess
import sys

import pytest

from palo import benchmark

pytestmark = pytest.mark.gpu


def test_it_measures_each_number_of_clients(request, tmp_path):
    flags = ["--size", "mini", "--clients", "1", "2", "--new-tokens", "4", "--repeats", "1"]
    command = [sys.executable, "jobs/bench/serving/gpu.py", *flags, "--output", str(tmp_path)]
    root = request.config.rootpath
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = {each.name: each for each in benchmark.read_results(tmp_path)["serve_gpu"].figures}
    for kind in ("short", "image"):
        for clients in (1, 2):
            assert figures[f"built_in_{kind}_{clients}_clients_tokens_per_s"].value > 0
