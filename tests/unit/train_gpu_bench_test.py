"""The bench of training at Vicuna-7B's shapes, with small ones on the CPU, so that it can't rot."""

import subprocess
import sys

from palo import benchmark

SMALL = {
    "device": "cpu",
    "size": "mini",
    "layers": "1",
    "token-budget": "700",
    "padded-samples": "1",
    "rank": "4",
    "rows": "1",
    "warmup-rows": "0",
}


def test_it_measures_each_way_of_training(request, tmp_path):
    flags = [text for name, value in SMALL.items() for text in (f"--{name}", value)]
    command = [sys.executable, "jobs/bench/training/gpu.py", *flags, "--output", str(tmp_path)]
    root = request.config.rootpath
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = {each.name: each for each in benchmark.read_results(tmp_path)["train_gpu"].figures}
    without = [
        f"without_{one}" for one in ("varlen", "chunked_loss", "fused_lora", "shared_dropout")
    ]
    for way in ("all", *without, "recomputing_none", "padded"):
        assert figures[f"{way}_tokens_per_s"].value > 0
    assert figures["all_model_flops_utilization"].target == 0.45
