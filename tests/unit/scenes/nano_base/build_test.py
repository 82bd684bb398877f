"""A miniature of the build, and what the committed weights must hold."""

import random
from pathlib import Path

import pytest
from transformers import CLIPVisionModel, LlamaForCausalLM

import palo
from palo import languages, storage
from palo.config import to_dict
from palo.images.preprocessing import read_preprocessing
from palo.scenes.draw import IMAGE_SIDE
from palo.scenes.nano_base import tokenizer as tokenizer_training
from palo.scenes.nano_base import tower as tower_training
from palo.scenes.nano_base.build import NanoBase, build_nano_base
from palo.scenes.nano_base.language_model import Course, LanguageModelTraining
from palo.scenes.nano_base.tower import TowerTraining
from palo.scenes.phrase_book import phrase_book
from palo.scenes.scene import sample_scene
from palo.text.tokenizer import load_tokenizer

BASE = Path(palo.__file__).parent / "scenes" / "nano_base"
TINY = NanoBase(
    vocab_size=1300,
    tower=TowerTraining(
        hidden_size=16, intermediate_size=16, num_layers=2, num_heads=2, num_scenes=64, num_epochs=2
    ),
    language_model=LanguageModelTraining(
        hidden_size=16,
        intermediate_size=16,
        num_layers=1,
        num_heads=2,
        courses=(
            Course(num_conversations=64, learning_rate=1e-3),
            Course(num_conversations=32, learning_rate=1e-3, counting=True, rehearsed="en"),
        ),
        compile=False,
    ),
)
WEIGHTS = (
    "tokenizer/tokenizer.model",
    "tower/model.safetensors",
    "language_model/model.safetensors",
)


def test_equal_configurations_build_equal_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(tokenizer_training, "_NUM_SCENES", 150)
    monkeypatch.setattr(tower_training, "_NUM_HELD_OUT_SCENES", 50)
    lines: list[str] = []
    for name in ("a", "b"):
        build_nano_base(tmp_path / name, TINY, "test", lines.append)
    first, second = (storage.read_json(tmp_path / name / "build.json") for name in ("a", "b"))
    assert first["sha256"] == second["sha256"]
    assert set(first["sha256"]) == set(WEIGHTS)
    assert first["config"] == to_dict(TINY)
    assert any("tower" in line for line in lines)
    assert any("language" in line for line in lines)
    tokenizer = load_tokenizer(tmp_path / "a" / "tokenizer")
    language = LlamaForCausalLM.from_pretrained(tmp_path / "a" / "language_model")
    assert language.config.vocab_size == tokenizer.vocab_size == TINY.vocab_size
    tower = CLIPVisionModel.from_pretrained(tmp_path / "a" / "tower")
    assert tower.config.hidden_size == 16


def test_committed_weights_are_those_of_their_record():
    record = storage.read_json(BASE / "build.json")
    assert set(record["sha256"]) == set(WEIGHTS)
    for name, digest in record["sha256"].items():
        assert storage.file_hash(BASE / name) == digest
    assert record["config"] == to_dict(NanoBase())
    assert sum((BASE / name).stat().st_size for name in WEIGHTS) < 6 * 2**20


def test_the_committed_tower_takes_scenes_as_they_are_drawn():
    settings = read_preprocessing(BASE / "tower", IMAGE_SIDE)
    assert (settings.image_size, settings.shortest_edge) == (IMAGE_SIDE, IMAGE_SIDE)


@pytest.mark.parametrize("code", languages.codes())
def test_the_committed_tokenizer_knows_every_script(code):
    tokenizer, book = load_tokenizer(BASE / "tokenizer"), phrase_book(code)
    for seed in range(20):
        text = book.caption(sample_scene(random.Random(seed)))
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert all(not 3 <= token < 259 for token in ids), "a byte stands for part of a letter"
        assert len(ids) < len(text) * 0.9
