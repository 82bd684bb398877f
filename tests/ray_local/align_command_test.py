"""Three stages by the command: text of one's own, its reuse, and a run that is stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

from palo.checkpoint.finished import read_stage
from palo.checkpoint.lineage import lineage_of
from palo.data.corpus_reader import open_corpus
from palo.scenes.parallel_text import SceneTextConfig, write_scene_text

pytestmark = [pytest.mark.ray, pytest.mark.drill, pytest.mark.timeout(1800)]

SMALL = [
    "--scenes.num-train-scenes", "40", "--scenes.num-records-per-scene", "10",
    "--scenes.num-captions-per-scene", "10", "--scenes.num-heldout-scenes", "1",
    "--pretrain.max-steps", "2", "--finetune.max-steps", "2",
]  # fmt: skip


def run(job: str, *arguments: str, stops_after: str = "") -> str:
    """Runs a job, to its end or until it has said something; returns what it said."""
    command = [sys.executable, str(ROOT / "jobs" / job), *arguments, *SMALL]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if stops_after and stops_after in line:
                process.terminate()
                stops_after = ""
    assert process.returncode in (0, 130), said
    return said


def losses(stage: Path) -> list[float]:
    lines = (stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    config = SceneTextConfig(num_scenes=30, languages=("en", "ur", "fr"))
    return write_scene_text(tmp_path_factory.mktemp("text"), config)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, text) -> tuple[Path, str]:
    """A run of three stages, and what its command said."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    flags = ["--parallel", str(text), "--output", str(folder), "--align.max-steps", "6"]
    return folder, run("finetune.py", "nano-aligned", *flags)


def test_a_run_learns_from_text_then_from_images(whole):
    folder, said = whole
    assert "parallel: " in said
    assert "pairs en-fr " in said
    corpus = open_corpus(folder / "corpus" / "align")
    assert not corpus.has_image.any()
    assert set(corpus.languages.tolist()) == {"en", "fr", "ur"}
    align, finetune = read_stage(folder / "align"), read_stage(folder / "finetune")
    assert align.preprocessing is None
    merged = folder / "align" / "merged" / "language_model"
    assert finetune.parts.language_model.resolve() == merged.resolve()
    assert finetune.fingerprints["language_model"] != align.fingerprints["language_model"]
    assert losses(folder / "align")[-1] < losses(folder / "align")[0]
    part = next(n for n in lineage_of(folder).nodes() if n.name == "language model")
    assert part.children[0].state == "checked"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["num_questions"] == 20


def test_a_run_that_is_stopped_in_the_align_stage_goes_on_bit_for_bit(whole, text, tmp_path):
    folder = tmp_path / "run"
    flags = ["--parallel", str(text), "--output", str(folder), "--align.max-steps", "6",
             "--align.checkpoint-every", "2"]  # fmt: skip
    run("align.py", "nano-aligned", *flags, stops_after="starting 2 workers")
    said = run("align.py", "nano-aligned", *flags)
    assert "is up to date" in said
    assert losses(folder / "align") == losses(whole[0] / "align")
    weights = [one / "align" / "merged" / "language_model" / "model.safetensors"
               for one in (folder, whole[0])]  # fmt: skip
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_another_run_starts_from_the_aligned_language_model(whole, tmp_path):
    folder, _ = whole
    flags = ["--aligned", str(folder), "--output", str(tmp_path / "other")]
    run("pretrain.py", "nano-aligned", *flags)
    other, own = read_stage(tmp_path / "other" / "pretrain"), read_stage(folder / "pretrain")
    assert other.fingerprints == own.fingerprints
    assert losses(other.folder) == losses(own.folder)
    assert not (tmp_path / "other" / "align").exists()
