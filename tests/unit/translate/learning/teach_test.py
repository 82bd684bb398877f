"""A model is taught by the platform's own training, here in one process without Ray."""

import pytest
from tests.fixtures.training import write_corpus

from palo import config
from palo.errors import ConfigError
from palo.model.lora import LoraSettings
from palo.train.engine import PlainEngine
from palo.train.stages import OptimizerSettings, StageConfig
from palo.train.worker import train_stage
from palo.translate.learning import teach as teaching
from palo.translate.learning.teach import TeachSettings, gain_of, teach
from palo.translate.learning.training_set import TranslationExample, write_training_set


@pytest.fixture
def built(monkeypatch):
    """Replaces Ray: a corpus that is there already, and a stage in this process."""
    asked = []

    def build(corpus, say):
        asked.append(corpus)
        write_corpus(corpus.output, corpus)

    monkeypatch.setattr(teaching, "build_corpus", build)
    monkeypatch.setattr(teaching, "run_stage", lambda job: train_stage(job, PlainEngine))
    return asked


def test_a_model_answers_otherwise_after_it_was_taught(trained, translation, tmp_path, built):
    examples = [
        TranslationExample(
            translated=translation(number, "ur"), turn=1, wanted="تصویر میں 3 سیب ہیں۔"
        )
        for number in range(8)
    ]
    made = write_training_set(tmp_path / "set", examples, held_out_share=0.4)
    stage = StageConfig(
        template="vicuna_v1",
        trains="lora",
        lora=LoraSettings(rank=4, alpha=64, dropout=0.0),
        optimizer=OptimizerSettings(lr_projector=0.0, lr_language_model=0.1),
        global_batch=11,
        token_budget=64,
        dtype="float32",
    )
    settings = TeachSettings(parts=trained.stage.parts, stage=stage, max_new_tokens=8)
    taught = teach(made, settings, tmp_path / "taught")
    assert taught.has_adapter
    assert built[0].sources[0].path == made.records
    assert teach(made, settings, tmp_path / "taught").folder == taught.folder
    assert len(built) == 1
    gain = gain_of(settings, taught, list(made.held_out))
    assert len(gain.before) == len(gain.after) == len(made.held_out)
    assert gain.before != gain.after


def test_what_cannot_teach_a_translator_is_told(trained):
    stage = StageConfig(
        template="vicuna_v1", trains="projector", optimizer=OptimizerSettings(lr_projector=1e-3)
    )
    wrong = TeachSettings(parts=trained.stage.parts, stage=stage, max_new_tokens=0)
    with pytest.raises(ConfigError, match=r"2 faults.*max_new_tokens is 0.*projector"):
        config.check(wrong)
