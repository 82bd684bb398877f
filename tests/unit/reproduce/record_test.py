"""The record of a run's steps."""

import json

import pytest

from palo import storage
from palo.errors import ConfigError, MismatchError
from palo.reproduce.record import FOLDER, StepRecord, read_reproduction, write_reproduction

NAMES = ("corpus", "pretrain")


def test_a_run_without_a_record_waits(tmp_path):
    record = read_reproduction(tmp_path, "nano", NAMES)
    assert [(step.name, step.state) for step in record.steps] == [
        ("corpus", "waiting"),
        ("pretrain", "waiting"),
    ]


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = read_reproduction(tmp_path, "nano", NAMES)
    done = StepRecord(
        name="corpus", state="done", inputs={"a": "1"}, outputs={"b": "2"}, attempts=3,
        wall_s=1.5, started=10.0, ended=12.0,
    )  # fmt: skip
    write_reproduction(tmp_path, record.with_step(done))
    assert read_reproduction(tmp_path, "nano", NAMES).step("corpus") == done


def test_another_version_is_refused_with_what_to_do(tmp_path):
    storage.write_json(tmp_path / FOLDER / "record.json", {"version": 99, "steps": []})
    with pytest.raises(MismatchError, match=r"another version.*Remove the file"):
        read_reproduction(tmp_path, "nano", NAMES)


def test_a_damaged_record_is_told(tmp_path):
    path = tmp_path / FOLDER / "record.json"
    storage.write_text(
        path, json.dumps({"recipe": "nano", "steps": [{"name": "corpus", "state": 3}]})
    )
    with pytest.raises(ConfigError, match="state has the wrong type"):
        read_reproduction(tmp_path, "nano", NAMES)
