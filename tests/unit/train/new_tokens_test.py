"""With LoRA on an extended language model the rows of new tokens learn, and no other rows."""

import dataclasses
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.unit.train.two_workers_test import run_two

from palo import storage
from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import attach_adapter, load_trained, unmerged_model
from palo.checkpoint.merged_language_model import merged_language_model
from palo.checkpoint.merged_weights import merged_weights
from palo.checkpoint.parts import weights_fingerprint
from palo.errors import MismatchError
from palo.model.new_token_names import FIRST_NEW_ID, first_new_id
from palo.train.engine import PlainEngine, parameter_groups
from palo.train.metrics import read_metrics
from palo.train.stage_identity import identity
from palo.train.stages import OptimizerSettings, ZeroSettings
from palo.train.worker import train_stage

FIRST = 80
TABLES = ("language_model.model.embed_tokens.weight", "language_model.lm_head.weight")


@pytest.fixture(params=["untied", "tied"])
def make_extended(request, make_job, tmp_path):
    """Makes stages on a language model whose ids from 80 on were added."""
    folder = tmp_path / "extended"
    shutil.copytree(make_job().parts.language_model, folder)
    values = storage.read_json(folder / "config.json") | {FIRST_NEW_ID: FIRST}
    if request.param == "tied":
        values["tie_word_embeddings"] = True
        weights = load_file(folder / "model.safetensors")
        del weights["lm_head.weight"]
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    storage.write_json(folder / "config.json", values)

    def make(name="finetune", **changes):
        job = make_job(name, **changes)
        parts = dataclasses.replace(job.parts, language_model=folder)
        return dataclasses.replace(job, parts=parts)

    return make


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


def tables(job):
    """The tables of a stage's base, and those that it has now."""
    stage = read_stage(job.output)
    base = load_file(stage.parts.language_model / "model.safetensors")
    merged = merged_weights(stage)
    for name in TABLES:
        if name in merged.shapes:
            yield base[name.removeprefix("language_model.")], merged.read(name)


def test_rows_of_new_tokens_learn_and_no_other_rows(make_extended):
    job = make_extended(epochs=3)
    train_stage(job, PlainEngine)
    assert losses(job)[-1] < losses(job)[0] - 0.1
    found = list(tables(job))
    assert found
    for before, after in found:
        assert torch.equal(before[:FIRST], after[:FIRST])
        changed = (before[FIRST:] != after[FIRST:]).any(dim=1)
        assert changed.all()


def test_what_is_loaded_is_what_was_trained(make_extended):
    job = make_extended(epochs=2)
    train_stage(job, PlainEngine)
    stage = read_stage(job.output)
    ids = torch.tensor([[1, 5, 85, 98, 30, 81, 2]])
    with torch.no_grad():
        merged = load_trained(job.output).model(input_ids=ids).logits
        beside = attach_adapter(unmerged_model(stage, torch.float32), job.output / "adapter")
        found = beside.eval()(input_ids=ids).logits
    torch.testing.assert_close(merged, found, atol=1e-5, rtol=1e-5)
    weights = merged_weights(stage)
    own = load_trained(job.output).model.state_dict()
    for name in weights.shapes:
        if name.startswith("language_model."):
            torch.testing.assert_close(own[name], weights.read(name), atol=1e-6, rtol=1e-6)


def test_a_stopped_stage_goes_on_bit_for_bit(make_extended):
    whole, stopped = make_extended("whole", epochs=2), make_extended("stopped", epochs=2)
    train_stage(whole, PlainEngine)
    stopped.output.mkdir()
    stopped.stop_file.touch()
    assert train_stage(stopped, PlainEngine) is None
    stopped.stop_file.unlink()
    train_stage(stopped, PlainEngine)
    assert losses(stopped) == losses(whole)
    for (_, one), (_, two) in zip(tables(whole), tables(stopped), strict=True):
        assert torch.equal(one, two)


def test_the_loss_in_chunks_is_the_same(make_extended):
    plain, chunked = make_extended("plain"), make_extended("chunked", chunked_loss=True)
    train_stage(plain, PlainEngine)
    train_stage(chunked, PlainEngine)
    assert losses(chunked) == pytest.approx(losses(plain), abs=1e-5)


def test_the_first_loss_is_that_of_the_extended_model_itself(make_extended):
    learning, fixed = make_extended("learning"), make_extended("fixed", train_new_tokens=False)
    train_stage(learning, PlainEngine)
    train_stage(fixed, PlainEngine)
    assert losses(learning)[0] == pytest.approx(losses(fixed)[0], abs=1e-6)
    for before, after in tables(fixed):
        assert torch.equal(before, after)


def test_the_next_stage_learns_the_same_tokens_further(make_extended):
    align = make_extended("align", epochs=2)
    train_stage(align, PlainEngine)
    folder = merged_language_model(read_stage(align.output))
    assert first_new_id(folder) == FIRST
    job = make_extended("finetune", epochs=2)
    job = dataclasses.replace(job, parts=dataclasses.replace(job.parts, language_model=folder))
    train_stage(job, PlainEngine)
    for before, after in tables(job):
        assert torch.equal(before[:FIRST], after[:FIRST])
        assert (before[FIRST:] != after[FIRST:]).any()


def test_an_adapter_for_other_new_tokens_is_refused(make_extended):
    job = make_extended()
    train_stage(job, PlainEngine)
    folder = job.parts.language_model
    values = storage.read_json(folder / "config.json")
    storage.write_json(folder / "config.json", values | {FIRST_NEW_ID: FIRST + 1})
    described = storage.read_json(job.output / "model.json")
    described["fingerprints"]["language_model"] = weights_fingerprint(folder)
    storage.write_json(job.output / "model.json", described)
    with pytest.raises(MismatchError, match="new tokens are not those"):
        load_trained(job.output)


def test_another_learning_rate_of_new_tokens_is_another_run(make_job):
    job = make_job()
    optimizer = dataclasses.replace(job.config.optimizer, lr_new_tokens=1e-4)
    changed = dataclasses.replace(job.config, optimizer=optimizer)
    assert identity(dataclasses.replace(job, config=changed)) != identity(job)


def test_new_tokens_have_a_learning_rate_of_their_own():
    rows = torch.nn.Parameter(torch.zeros(2, 3))
    named = [("language_model.lm_head.new_rows", rows), ("language_model.x.lora_A.w", rows)]
    for own, expected in ((None, 2.0), (0.05, 0.05)):
        settings = OptimizerSettings(
            lr_projector=0.1, lr_language_model=0.2, lr_new_tokens=own, weight_decay=0.0
        )
        groups = {one["part"]: one["peak_lr"] for one in parameter_groups(named, settings)}
        assert groups == {"new_tokens": expected, "language_model": 0.2}
    wrong = OptimizerSettings(lr_projector=0.1, lr_new_tokens=-1.0)
    assert any("lr_new_tokens" in fault for fault in wrong.faults())


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_two_workers_under_zero_3_learn_the_same_and_one_goes_on(make_extended):
    zero = ZeroSettings(stage=3, persistence_threshold=0, partition_at_load=True)
    alone = make_extended("alone", epochs=2)
    train_stage(alone, PlainEngine)
    together = make_extended("together", epochs=2, zero=zero)
    run_two(together)
    assert losses(together) == pytest.approx(losses(alone), abs=1e-5)
    for (_, one), (_, two) in zip(tables(alone), tables(together), strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-3)
    halved = make_extended("halved", epochs=2, zero=zero)
    run_two(halved, notice_at=3)
    begun = len(losses(halved))
    assert 0 < begun < len(losses(alone))
    one = dataclasses.replace(halved.config, zero=ZeroSettings())
    train_stage(dataclasses.replace(halved, config=one), PlainEngine)
    assert losses(halved) == pytest.approx(losses(alone), abs=1e-5)
