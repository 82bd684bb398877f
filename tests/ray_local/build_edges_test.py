"""Builds that meet near duplicates, deceptive arrays, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from tests.fixtures.corpora import good_rows, row

from palo.corpus import build
from palo.corpus.build import build_corpus
from palo.corpus.config import CleaningSettings
from palo.corpus.sources import split_source
from palo.data.corpus_reader import open_corpus

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

ROOT = Path(__file__).resolve().parents[2]


def _about_a_street(number, ending, *, image="1.png"):
    answer = "The street is long and wet, a tram comes, and two people wait under a roof. " * 3
    turns = [
        {"from": "human", "value": "<image>\nWhat is in the image?"},
        {"from": "gpt", "value": f"{answer}{ending}"},
    ]
    return row(number) | {"image": image, "conversations": turns}


def test_near_duplicates_are_left_out_if_asked(make_config):
    rows = [
        _about_a_street(0, "It rains."),
        _about_a_street(1, "It rained."),
        _about_a_street(2, "It rained.", image="2.png"),  # another image: not the same
        *good_rows(4),
    ]
    both = make_config(rows)
    assert build_corpus(both).manifest.num_samples == 7
    cleaning = CleaningSettings(other_language="off", near_duplicates=0.7)
    config = make_config(rows, cleaning=cleaning)
    manifest = build_corpus(config).manifest
    (stage,) = [stage for stage in manifest.stages if stage.name == "near_duplicate"]
    assert stage.dropped == {"nearly a duplicate": {"en": 1}}
    corpus = open_corpus(config.output)
    ids = [sample.record_id.split("@")[0] for sample in corpus.read(range(len(corpus)))]
    assert ids[:2] == ["made/0", "made/2"]


def test_an_array_whose_pieces_begin_at_deceptive_places_is_read_exactly(make_config, monkeypatch):
    # A split that begins within these boxes takes them for rows until its neighbour tells better.
    boxes = [{"conversations": [], "box": [n, n]} for n in range(40)]
    rows = [row(n) | {"boxes": boxes} for n in range(8)]
    whole = build_corpus(make_config(rows, name="made", lines=False))
    monkeypatch.setattr(build, "split_source", partial(split_source, split_bytes=700))
    said = []
    config = make_config(rows, name="made", lines=False, output=whole.folder.with_name("splits"))
    splits = build_corpus(config, said.append)
    assert any(line.startswith("parse again") for line in said)
    assert [stage.rows_in for stage in splits.manifest.stages] == [8] * 7
    assert _samples(splits.folder) == _samples(whole.folder)


def _samples(folder):
    corpus = open_corpus(folder)
    return [(s.sample_id, s.image_id, s.input_ids.tolist()) for s in corpus.read(range(8))]


def test_ctrl_c_ends_a_build_in_one_line_and_the_same_command_goes_on(tmp_path):
    command = [sys.executable, str(ROOT / "jobs" / "build_corpus.py"), "nano"]
    command += ["--output", str(tmp_path / "run"), "--scenes.num-train-scenes", "60"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    entries = tmp_path / "run" / "corpus" / "pretrain" / "done"
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        deadline = time.monotonic() + 240
        while not list(entries.rglob("*.json")):
            assert job.poll() is None, job.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        job.send_signal(signal.SIGINT)
        _, errors = job.communicate(timeout=120)
    assert job.returncode == 130
    assert errors.strip().splitlines()[-1] == "stopped; run the same command again to resume"
    assert "Traceback" not in errors
    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "resumes where it was stopped" in again.stdout
    assert len(open_corpus(tmp_path / "run" / "corpus" / "finetune"))
