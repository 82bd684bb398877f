"""Models that llama.cpp wouldn't run as they were trained, and disks and packages that fail."""

import json
from dataclasses import replace

import pytest
from tests.fixtures.gguf_models import write_byte_level_tokenizer, write_mobile_stage
from transformers import Dinov2Config, Dinov2Model

from palo.checkpoint.exporting import gguf_file
from palo.checkpoint.exporting.gguf import require_gguf, write_gguf
from palo.checkpoint.finished import read_stage
from palo.errors import ConfigError, MismatchError, ResourceError, StorageError

pytest.importorskip("gguf", reason="writing GGUF needs the gguf package (extra mini)")


@pytest.fixture
def stage(finished_stage):
    return read_stage(finished_stage)


def _with_part(stage, **parts):
    return replace(stage, parts=replace(stage.parts, **parts))


def _copy_with_config(source, target, **values):
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    config = json.loads((source / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | values))
    return target


def test_without_its_package_it_says_what_to_install(stage, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"pip install 'palo\[mini\]'"):
        write_gguf(stage, tmp_path)


def test_another_tower_than_clip_is_refused(stage, tmp_path):
    tower = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8
    )
    Dinov2Model(tower).save_pretrained(tmp_path / "tower")
    with pytest.raises(ConfigError, match="type dinov2"):
        require_gguf(_with_part(stage, tower=tmp_path / "tower"))


@pytest.mark.parametrize(
    ("changed", "fact"),
    [
        ({"aspect": "crop"}, "prepared with crop"),
        ({"resample": 2}, "filter 2"),
        ({"shortest_edge": 40}, r"\(32, 40\) pixels"),
        ({"mean": [0.5, 0.5, 0.5]}, "mean colour"),
    ],
)
def test_a_preprocessing_that_llama_cpp_lacks_is_refused(stage, changed, fact):
    assert stage.preprocessing is not None
    with pytest.raises(ConfigError, match=fact):
        require_gguf(replace(stage, preprocessing={**stage.preprocessing, **changed}))


@pytest.mark.parametrize(
    ("changed", "fact"),
    [
        ({"hidden_act": "relu"}, "hidden_act relu"),
        ({"intermediate_size": 32}, "can't tell its layers"),
    ],
)
def test_a_tower_that_llama_cpp_runs_otherwise_is_refused(stage, tmp_path, changed, fact):
    tower = _copy_with_config(stage.parts.tower, tmp_path / "tower", **changed)
    with pytest.raises(ConfigError, match=fact):
        require_gguf(_with_part(stage, tower=tower))


@pytest.mark.parametrize(
    ("changed", "fact"),
    [
        ({"hidden_act": "gelu"}, "must be silu"),
        (
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
            "rope_type dynamic",
        ),
    ],
)
def test_a_language_model_that_llama_cpp_runs_otherwise_is_refused(stage, tmp_path, changed, fact):
    folder = _copy_with_config(stage.parts.language_model, tmp_path / "language_model", **changed)
    with pytest.raises(ConfigError, match=fact):
        require_gguf(_with_part(stage, language_model=folder))


def test_images_of_another_size_than_the_towers_are_refused(stage):
    with pytest.raises(ConfigError, match="64 pixels for a tower of 32"):
        require_gguf(_with_part(stage, image_size=64))


def test_projectors_that_llama_cpp_lacks_are_refused(stage, tmp_path):
    with pytest.raises(ConfigError, match="mlp3x_gelu"):
        require_gguf(_with_part(stage, projector_type="mlp3x_gelu"))
    mobile = read_stage(write_mobile_stage(tmp_path))
    with pytest.raises(ConfigError, match="ldp on 16 patches"):
        require_gguf(_with_part(mobile, tower=stage.parts.tower))


def test_a_tokenizer_with_more_tokens_than_the_model_has_rows_is_refused(stage, tmp_path):
    folder = _copy_with_config(
        stage.parts.language_model, tmp_path / "language_model", vocab_size=100
    )
    with pytest.raises(MismatchError, match="more tokens"):
        require_gguf(_with_part(stage, language_model=folder))


def test_a_sentencepiece_model_of_another_kind_is_refused(stage, tmp_path):
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(("a red circle", "two blue squares") * 9),
        model_prefix=str(tmp_path / "tokenizer"),
        model_type="unigram",
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    with pytest.raises(MismatchError, match="no BPE model; it changes characters first"):
        require_gguf(_with_part(stage, tokenizer=tmp_path))


def test_byte_level_tokens_that_are_cut_otherwise_are_refused(stage, tmp_path):
    folder = tmp_path / "tokenizer"
    write_byte_level_tokenizer(folder)
    values = json.loads((folder / "tokenizer.json").read_text())
    values["pre_tokenizer"]["pretokenizers"].insert(
        0, {"type": "Punctuation", "behavior": "Isolated"}
    )
    (folder / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(MismatchError, match="no byte-level BPE"):
        require_gguf(_with_part(stage, tokenizer=folder))


def test_a_weight_without_a_place_is_named(stage, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    folder = _copy_with_config(stage.parts.language_model, tmp_path / "language_model")
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "model.extra.weight": torch.ones(2)}, folder / "model.safetensors")
    with pytest.raises(MismatchError, match=r"no place for: model\.extra\.weight"):
        require_gguf(_with_part(stage, language_model=folder))


def test_a_disk_that_fills_up_leaves_what_was_there_and_no_rest(stage, tmp_path, monkeypatch):
    import gguf

    files = write_gguf(stage, tmp_path, "float16")
    before = files.model.read_bytes(), files.mmproj.read_bytes()
    writing, num_tensors = gguf.GGUFWriter.write_tensor_data, []

    def full(self, data):
        num_tensors.append(1)
        if len(num_tensors) > 3:
            raise OSError(28, "No space left on device")
        writing(self, data)

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensor_data", full)
    with pytest.raises(StorageError, match="Free some disk space"):
        write_gguf(stage, tmp_path, "float32")
    assert (files.model.read_bytes(), files.mmproj.read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mmproj.gguf", "model.gguf"]
