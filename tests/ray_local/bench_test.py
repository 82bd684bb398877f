"""The benches run, on settings that measure nothing, so that they work when they are needed."""

import re
import subprocess
import sys

import pytest

from palo import benchmark, storage

pytestmark = pytest.mark.ray

_TRIAL = {
    "layers": 1,
    "image-size": 28,
    "samples-per-step": 2,
    "warmup-steps": 1,
    "steps": 1,
    "repeats": 1,
    "packing-repeats": 1,
    "conversations": 60,
    "length-seeds": 1,
}


@pytest.mark.drill
@pytest.mark.timeout(1800)
def test_the_training_bench_measures_every_target(request, tmp_path):
    root = request.config.rootpath
    flags = [text for name, value in _TRIAL.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "jobs/bench/train.py", *flags, "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = benchmark.read_results(tmp_path)["train"]
    goals = {figure.name for figure in result.figures if figure.target is not None}
    ratios = {"whole_job_ratio", "zero3_to_zero1_ratio", "worker_of_all_to_one_alone_ratio"}
    assert ratios | {"packed_row_cost_ratio"} <= goals
    assert {"whole_job_cpu_ratio", "fused_lora_cost_ratio"} <= {f.name for f in result.figures}
    assert any(figure.name.startswith("packs_useful_share") for figure in result.figures)
    assert result.configuration["layers"] == 1


def test_a_trial_of_one_part_needs_its_own_folder(request):
    command = [sys.executable, "jobs/bench/train.py", "--part", "lengths"]
    done = subprocess.run(
        command, cwd=request.config.rootpath, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "name another output folder" in done.stderr


def test_parts_that_ran_one_by_one_make_one_result(request, tmp_path):
    def run(*flags):
        command = [sys.executable, "jobs/bench/train.py", *map(str, flags)]
        root = request.config.rootpath
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    trial = ["--conversations", "60", "--length-seeds", "1"]
    done = run("--part", "lengths", *trial, "--output", tmp_path / "lengths")
    assert done.returncode == 0, done.stderr
    lengths = storage.read_json(tmp_path / "lengths" / "train.json")
    other = lengths["figures"][0] | {"name": "another"}
    settings = lengths["configuration"] | {"part": "job"}
    job = lengths | {"figures": [other], "configuration": settings}
    storage.write_json(tmp_path / "job" / "train.json", job)
    parts = ("--joins", tmp_path / "lengths", tmp_path / "job", "--output", tmp_path)
    done = run(*parts)
    assert done.returncode == 0, done.stderr
    joined = benchmark.read_results(tmp_path)["train"]
    names = [figure["name"] for figure in lengths["figures"]]
    assert [figure.name for figure in joined.figures] == [*names, "another"]
    assert joined.configuration["part"] == "all"
    assert joined.configuration["conversations"] == 60
    settings["seed"] = 9
    storage.write_json(tmp_path / "job" / "train.json", job | {"commit": "0" * 40})
    done = run(*parts)
    assert done.returncode == 2
    assert "commit, settings" in done.stderr


@pytest.mark.drill
@pytest.mark.timeout(1800)
def test_the_bench_of_encoding_measures_its_targets(request, tmp_path):
    flags = ["--images", "32", "--repeats", "1", "--image-size", "56"]
    folders = ["--output", str(tmp_path / "result"), "--cache", str(tmp_path / "cache")]
    command = [sys.executable, "jobs/bench/encode.py", *flags, *folders]
    done = subprocess.run(
        command, cwd=request.config.rootpath, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = benchmark.read_results(tmp_path / "result")["encode"]
    figures = {figure.name: figure for figure in result.figures}
    goals = {name for name, figure in figures.items() if figure.target is not None}
    ratios = {"ratio", "cpu_ratio", "tower_ratio", "tower_cpu_ratio"}
    assert goals == ratios | {"encodes_per_image"}
    assert figures["encodes_per_image"].met


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_an_endpoint_is_attacked_and_goes_on(request, tmp_path):
    flags = ["--part", "waits", "--attack-s", "4", "--quiet-s", "1", "--concurrency", "2"]
    folders = ["--output", str(tmp_path / "result"), "--cache", str(tmp_path / "cache")]
    command = [sys.executable, "jobs/bench/abuse.py", *flags, *folders]
    done = subprocess.run(
        command, cwd=request.config.rootpath, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for role in ("stranger", "client", "visitor"):
        assert f"  {role}, " in done.stdout, f"the {role} tried nothing"
    assert not re.search(r"x 5\d\d", done.stdout), done.stdout
    result = benchmark.read_results(tmp_path / "result")["abuse"]
    waits = {figure.name: figure for figure in result.figures}
    assert waits["healthz_attacked_longest_s"].target is not None
    assert waits["healthz_attacked_longest_s"].value < 60  # a failure counts as two minutes
