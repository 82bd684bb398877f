"""lmms-eval's own POPE task, from a dataset to scores: our adapter and an exported Llava folder.

It runs in an environment of its own, whose python PALO_LMMS_EVAL_PYTHON names:

    python -m venv runs/lmms_eval
    runs/lmms_eval/bin/pip install lmms-eval==0.7.3 torch==2.13.0 decord==0.6.0 orjson
    runs/lmms_eval/bin/pip install "filelock<4" "protobuf>=7.36"
    PALO_LMMS_EVAL_PYTHON=runs/lmms_eval/bin/python pytest tests/clients/lmms_eval_test.py

Other packages there ask for other releases of the last two; pip says so, and it works. Beside a CPU
build of torch, torchvision must be one, too, or be uninstalled.

The Llava folder needs nothing of ours there; our code and its entry point are put on the path for
`--model palo`. The dataset lies in POPE's own columns in a file; nothing comes from a network.
"""

import json
import os
import random
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tests.fixtures.entry_points import path_with_entry_points
from tests.fixtures.yes_no_model import write_yes_no_stage

from palo.checkpoint.exporting.llava import write_llava
from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.evaluate.answers.from_files import read_answer_file
from palo.evaluate.benches.bench import Bench, bench_source, read_bench
from palo.evaluate.generation import AnswerSettings, generate_texts
from palo.metrics.hallucination import yes_no_scores
from palo.metrics.yes_no import yes_or_no
from palo.scenes.draw import draw_scene
from palo.scenes.scene import COLOURS, SHAPES, sample_scene

_PYTHON = os.environ.get("PALO_LMMS_EVAL_PYTHON", "")
_TASK = "pope_scenes"
_ENDING = (
    "\nAnswer the question using a single word or phrase."  # the task puts it to each question
)
_SIZES = ((96, 96), (130, 90), (70, 120), (96, 96))

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(not _PYTHON, reason="PALO_LMMS_EVAL_PYTHON names no python with lmms-eval"),
]


@dataclass(frozen=True)
class Evaluated:
    """What lmms-eval leaves of one run."""

    scores: dict
    log: Path

    @property
    def answers(self):
        rows = map(json.loads, self.log.read_text("utf-8").splitlines())
        return {row["doc_id"]: row["filtered_resps"] for row in rows}


@dataclass(frozen=True)
class Prepared:
    """POPE's questions about drawn scenes, for us and for lmms-eval, and a model to ask."""

    folder: Path
    bench: Bench
    stage: Path

    def evaluate(self, model, arguments, *options):
        out = self.folder / "out" / f"{model}{''.join(options)}"
        command = [_PYTHON, "-m", "lmms_eval", "--model", model, "--model_args", arguments]
        command += ["--tasks", _TASK, "--include_path", self.folder / "tasks", "--device", "cpu"]
        command += ["--batch_size", "1", "--output_path", out, "--log_samples", *options]
        path = ""
        if model == "palo":
            path = path_with_entry_points(self.folder / "installed", "lmms_eval.models")
        own = {"PYTHONPATH": path, "HF_HOME": str(self.folder / "hub"), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            command, env=os.environ | own, capture_output=True, text=True, timeout=560, check=False
        )
        said = (done.stdout + done.stderr)[-4000:]
        results = list(out.rglob("*_results.json"))  # an error, too, may end with 0
        assert results, said
        (log,) = out.rglob(f"*_samples_{_TASK}.jsonl")
        return Evaluated(json.loads(results[0].read_text("utf-8"))["results"][_TASK], log)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Four scenes, and the same questions about each; the model says yes to all about two."""
    folder = tmp_path_factory.mktemp("lmms_eval")
    rows = list(_rows(folder / "pope" / "images"))
    text = "\n".join(json.dumps(row) for row in rows)
    (folder / "pope" / "coco_pope_random.json").write_text(text, "utf-8")
    bench = read_bench(bench_source("pope"), folder / "pope")
    _write_dataset(folder / "dataset", bench)
    _write_task(folder)
    said = {"0": "Yes", "1": "No", "2": "Yes", "3": "No"}
    asked = [(i.question + _ENDING, i.image, said[i.image.stem]) for i in bench.items]
    return Prepared(folder, bench, write_yes_no_stage(folder / "model", asked))


@pytest.fixture(scope="module")
def own(prepared):
    return prepared.evaluate("palo", f"pretrained={prepared.stage}")


def _rows(images):
    """Draws the scenes; yields the questions as POPE's files hold them."""
    images.mkdir(parents=True)
    rng = random.Random(3)
    scenes = [sample_scene(rng) for _ in _SIZES]
    for number, (scene, size) in enumerate(zip(scenes, _SIZES, strict=True)):
        draw_scene(scene, rng).resize(size).save(images / f"{number}.png")
    things = [{(thing.colour, thing.shape) for thing in scene.things} for scene in scenes]
    shown = sorted(set.union(*things))
    others = [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in shown]
    looks = rng.sample(shown, min(4, len(shown))) + rng.sample(others, 2)
    number = 0
    for image, there in enumerate(things):
        for colour, shape in looks:
            number += 1
            yield {
                "question_id": number,
                "image": f"{image}.png",
                "text": f"Is there a {colour} {shape} in the image?",
                "label": "yes" if (colour, shape) in there else "no",
            }


def _write_dataset(folder, bench):
    """Writes the questions as a dataset of the columns that lmms-eval's POPE has."""
    texts = {
        "id": [str(number) for number in range(len(bench.items))],
        "question_id": [item.question_id.removeprefix("random-") for item in bench.items],
        "question": [item.question for item in bench.items],
        "answer": [item.references[0] for item in bench.items],
        "image_source": [item.image.stem for item in bench.items],
        "category": [item.category for item in bench.items],
    }
    images = [{"bytes": item.image.read_bytes(), "path": item.image.name} for item in bench.items]
    features = {name: {"dtype": "string", "_type": "Value"} for name in texts}
    features["image"] = {"_type": "Image"}
    table = pa.table(texts | {"image": images}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    (folder / "data").mkdir(parents=True)
    pq.write_table(table, folder / "data" / "test-00000-of-00001.parquet")


def _write_task(folder):
    """Writes lmms-eval's own task, but for its name and the place of its dataset."""
    find = (
        "import importlib.util as u; print(u.find_spec('lmms_eval').submodule_search_locations[0])"
    )
    found = subprocess.run([_PYTHON, "-c", find], capture_output=True, text=True, check=True)
    tasks = Path(found.stdout.strip()) / "tasks"
    lines = [f"include: {tasks / 'pope' / 'pope.yaml'}", f"task: {_TASK}"]
    lines += [f"dataset_path: {folder / 'dataset'}", ""]
    (folder / "tasks").mkdir()
    (folder / "tasks" / f"{_TASK}.yaml").write_text("\n".join(lines), "utf-8")


def test_lmms_eval_scores_our_model_as_we_do_from_its_log(prepared, own):
    items = prepared.bench.items
    found = read_answer_file(own.log, items)
    assert found.defects == {}
    pairs = [(item.references[0], yes_or_no(found.answers[item.key].text)) for item in items]
    scores = yes_no_scores(pairs)
    assert scores.undecided == 0
    assert 0 < scores.accuracy < 1
    assert 0 < scores.precision < 1
    for name in ("accuracy", "precision", "recall"):
        assert own.scores[f"pope_{name},none"] == pytest.approx(getattr(scores, name))
    assert own.scores["pope_f1_score,none"] == pytest.approx(scores.f1)


def test_lmms_eval_gets_from_our_adapter_what_the_model_says_here(prepared, own):
    items = [replace(item, question=item.question + _ENDING) for item in prepared.bench.items]
    said = generate_texts(load_trained(prepared.stage), items, AnswerSettings(max_new_tokens=128))
    assert own.answers == {number: text.strip() for number, text in enumerate(said)}


@pytest.mark.parametrize("options", [(), ("--force_simple",)], ids=["chat", "simple"])
def test_an_exported_llava_folder_answers_and_scores_there_as_our_model(prepared, own, options):
    llava = prepared.folder / "llava"
    if not llava.exists():
        write_llava(read_stage(prepared.stage), llava, torch.float32)
    found = prepared.evaluate(
        "llava_hf", f"pretrained={llava},dtype=float32,device_map=cpu", *options
    )
    assert found.answers == own.answers
    names = [name for name in own.scores if name.startswith("pope_")]
    assert {n: found.scores[n] for n in names} == {n: own.scores[n] for n in names}
