"""The checkpoints that the bench of imports measures."""

from pathlib import Path

import pytest
from tests.fixtures.scripts import load_script

from palo.checkpoint.finished import describe_stage
from palo.checkpoint.importing import open_model
from palo.config import check
from palo.errors import ConfigError

_JOB = Path(__file__).resolve().parents[4] / "jobs" / "bench" / "weights.py"


def test_they_can_be_imported(imports, tmp_path, monkeypatch):
    bench = load_script(_JOB)
    monkeypatch.setattr(bench, "_WIDTH", 64)
    monkeypatch.setattr(bench, "_INNER", 96)
    size = bench.write_checkpoint(tmp_path / "checkpoint", 0.002, num_shards=3)
    assert size == pytest.approx(2_000_000, rel=0.1)
    stage = describe_stage(open_model(tmp_path / "checkpoint"))
    assert len(list(stage.parts.language_model.glob("*.safetensors"))) >= 2


def test_settings_out_of_range_are_told():
    bench = load_script(_JOB)
    with pytest.raises(ConfigError, match=r"sizes_gb must be above 0.*repeats must be at least 1"):
        check(bench.WeightsBench(sizes_gb=(-1.0,), repeats=0))
