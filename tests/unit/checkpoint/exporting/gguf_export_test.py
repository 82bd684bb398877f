"""`--to gguf`: what was written is read again by the gguf package and compared with its model."""

import dataclasses

import pytest
import torch
from tests.fixtures.gguf_models import write_byte_level_stage, write_mobile_stage

from palo.checkpoint.exporting import gguf_language_model, gguf_loading
from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import ExportSettings
from palo.checkpoint.exporting.gguf import MMPROJ_FILE, MODEL_FILE, write_gguf
from palo.checkpoint.finished import read_stage
from palo.errors import ConfigError, MismatchError

pytest.importorskip("gguf", reason="writing GGUF needs the gguf package (extra mini)")


def _settings(stage, folder, dtype="float32"):
    return ExportSettings(model=stage, output=folder / "out", to="gguf", dtype=dtype)


@pytest.mark.parametrize("write", [write_byte_level_stage, write_mobile_stage])
def test_an_export_is_verified_and_has_its_card(tmp_path, write):
    stage = write(tmp_path / "own")
    exported = export(_settings(stage, tmp_path), say=lambda _: None)
    assert exported.verification.num_equal_answers == exported.verification.num_prompts == 20
    names = {path.name for path in exported.folder.iterdir()}
    assert names == {MODEL_FILE, MMPROJ_FILE, "README.md", "export.json", "lineage.json"}
    card = (exported.folder / "README.md").read_text()
    assert "llama-server -m out/model.gguf --mmproj out/mmproj.gguf" in card


@pytest.mark.parametrize("dtype", ["float16", "q8_0"])
def test_an_adapter_is_merged_into_it(adapted_stage, tmp_path, dtype):
    exported = export(_settings(adapted_stage, tmp_path, dtype), say=lambda _: None)
    assert 0 < exported.verification.rms_difference <= exported.verification.tolerance


def test_blocks_of_8_bits_are_for_gguf_alone(finished_stage, tmp_path):
    settings = dataclasses.replace(_settings(finished_stage, tmp_path, "q8_0"), to="llava")
    with pytest.raises(
        ConfigError, match=r"--to llava can't have .* q8_0\. Choose --dtype bfloat16"
    ):
        export(settings, say=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_rows_in_a_wrong_order_are_found_out(finished_stage, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_language_model, "interleaved", lambda weight, num_heads: weight)
    with pytest.raises(MismatchError, match="doesn't answer as the model did"):
        export(_settings(finished_stage, tmp_path), say=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_tensor_is_named(finished_stage, tmp_path, monkeypatch):
    stage = read_stage(finished_stage)
    write_gguf(stage, tmp_path)
    tensors = gguf_loading.gguf_tensors(stage)
    tensors[MODEL_FILE] = tensors[MODEL_FILE][1:]
    monkeypatch.setattr(gguf_loading, "gguf_tensors", lambda _: tensors)

    with pytest.raises(MismatchError, match="other tensors than its model"):
        gguf_loading.load_gguf(stage, tmp_path, torch.float32, (2,))


def test_convolutions_that_are_always_float16_are_compared_by_themselves(tmp_path, monkeypatch):
    stage = read_stage(write_mobile_stage(tmp_path / "own"))
    write_gguf(stage, tmp_path)
    gguf_loading.load_gguf(stage, tmp_path, torch.float32, (2,))
    monkeypatch.setattr(torch.Tensor, "half", lambda tensor: tensor * 1.01)
    with pytest.raises(MismatchError, match=r"other weights .* mm\.model\.mb_block"):
        gguf_loading.load_gguf(stage, tmp_path, torch.float32, (2,))


def test_a_model_that_llama_cpp_cannot_run_leaves_nothing(tmp_path, monkeypatch):
    stage = write_mobile_stage(tmp_path / "own")
    monkeypatch.setattr("palo.checkpoint.exporting.gguf_mmproj._LDP_SIDE", 12)
    with pytest.raises(ConfigError, match="ldp on 576 patches"):
        export(_settings(stage, tmp_path), say=lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["own"]
