"""Stages on other backbones: stopped and resumed, finished and loaded, and under ZeRO-3."""

import dataclasses

import pytest
import torch
from tests.fixtures.backbones import scatter_norms, tiny_text_config
from tests.unit.train.two_workers_test import Notice, losses, run_two

from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.checkpoint.merged_weights import merged_weights
from palo.model.lora import LoraSettings
from palo.train.engine import PlainEngine
from palo.train.faults import PreemptedError
from palo.train.stages import ZeroSettings
from palo.train.worker import train_stage


@pytest.fixture
def job_on(make_job, tmp_path):
    """Makes a stage on a tiny language model that `save_pretrained` wrote."""
    from transformers import AutoModelForCausalLM

    def make(name, stage="finetune", **changes):
        folder = tmp_path / name
        if not folder.exists():
            torch.manual_seed(1)
            saved = AutoModelForCausalLM.from_config(tiny_text_config(name))
            scatter_norms(saved)
            saved.save_pretrained(folder)
        job = make_job(stage, **changes)
        return dataclasses.replace(job, parts=dataclasses.replace(job.parts, language_model=folder))

    return make


@pytest.mark.parametrize("name", ["qwen3", "gemma3"])
@pytest.mark.parametrize("trains", ["lora", "full"])
def test_a_stopped_stage_goes_on_and_its_result_is_what_was_trained(job_on, name, trains):
    lora = LoraSettings(rank=4, alpha=8, dropout=0.0, fused=True) if trains == "lora" else None
    shared = {"epochs": 2, "trains": trains, "lora": lora, "chunked_loss": True}
    whole = job_on(name, "whole", **shared)
    train_stage(whole, PlainEngine)
    cut = job_on(name, "cut", **shared)
    with pytest.raises(PreemptedError):
        train_stage(cut, PlainEngine, notice=Notice(4))
    assert 0 < len(losses(cut)) < len(losses(whole))
    train_stage(cut, PlainEngine)
    assert losses(cut) == losses(whole)
    assert losses(whole)[-1] < losses(whole)[0]
    model = load_trained(cut.output).model
    merged = merged_weights(read_stage(cut.output))
    own = {
        key: value for key, value in model.state_dict().items() if key.startswith("language_model.")
    }
    tied = model.config.text_config.tie_word_embeddings
    assert own.keys() - merged.shapes.keys() == (
        {"language_model.lm_head.weight"} if tied else set()
    )
    for key in own.keys() & merged.shapes.keys():
        assert torch.allclose(merged.read(key), own[key], atol=1e-6), key


@pytest.mark.drill
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "whole_blocks"),
    [("gemma3", True), ("gemma3", False), ("qwen3", True), ("qwen3-tied", False)],
)
def test_two_workers_under_zero_3_learn_what_one_learns(job_on, name, whole_blocks):
    alone = job_on(name, "alone", epochs=2)
    train_stage(alone, PlainEngine)
    zero = ZeroSettings(stage=3, persistence_threshold=0, whole_blocks=whole_blocks)
    both = job_on(name, "both", epochs=2, zero=zero)
    assert run_two(both)[0] == ["finished", "finished"]
    assert losses(both) == pytest.approx(losses(alone), abs=1e-5)
