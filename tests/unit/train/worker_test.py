import dataclasses

import pytest
import torch

from palo import config, storage
from palo.checkpoint import trainable
from palo.checkpoint.finished import is_finished
from palo.checkpoint.lineage import lineage_of
from palo.checkpoint.lineage_id import lineage_id
from palo.checkpoint.load import load_trained
from palo.checkpoint.merged_weights import merged_weights
from palo.errors import ConfigError, DataError, MismatchError, TrainingError
from palo.model.lora import LoraSettings
from palo.train.engine import PlainEngine
from palo.train.metrics import read_metrics
from palo.train.stage_identity import _FREE, identity
from palo.train.stages import ZeroSettings
from palo.train.worker import train_stage


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


def difference(job, other):
    """Returns the largest difference between the losses of two runs' steps."""
    return max(abs(a - b) for a, b in zip(losses(job), losses(other), strict=True))


def test_a_stage_learns_and_leaves_a_model_that_loads(make_job):
    job = make_job(epochs=6)
    result = train_stage(job, PlainEngine)
    assert result is not None
    assert losses(job)[-1] < losses(job)[0] - 0.1
    assert (job.output / "adapter" / "adapter_config.json").is_file()
    trained = load_trained(job.output)
    assert trained.stage.fingerprints == result.fingerprints
    assert trained.template.name == "vicuna_v1"


@pytest.mark.proof
@pytest.mark.parametrize(
    "faster",
    [
        {"attention": "palo_varlen"},
        {"chunked_loss": True},
        {"activation_checkpointing": True},
        {"activation_checkpointing": True, "recompute_every": 2},
    ],
    ids=lambda faster: "-".join(faster),
)
def test_what_is_faster_or_smaller_learns_the_same(make_job, faster, prove):
    plain, other = make_job("plain", epochs=2), make_job("other", epochs=2, **faster)
    train_stage(plain, PlainEngine)
    train_stage(other, PlainEngine)
    claim = " ".join(f"{name}={value}" for name, value in faster.items())
    prove(claim, "difference of a step's loss", difference(other, plain), 1e-5)


def test_attention_that_does_not_run_here_ends_a_stage_before_its_weights_are_read(make_job):
    job = make_job(attention="flash_attention_2")
    with pytest.raises(ConfigError, match="attention flash_attention_2 doesn't run here"):
        train_stage(job, PlainEngine)
    assert not job.metrics.exists()


def test_a_stopped_stage_goes_on_bit_for_bit(make_job):
    whole = make_job("whole", epochs=2)
    train_stage(whole, PlainEngine)
    stopped = make_job("stopped", epochs=2)
    stopped.output.mkdir()
    stopped.stop_file.touch()
    assert train_stage(stopped, PlainEngine) is None
    assert not is_finished(stopped.output)
    assert len(losses(stopped)) == 1
    stopped.stop_file.unlink()
    assert train_stage(stopped, PlainEngine) is not None
    assert losses(stopped) == losses(whole)


def test_steps_after_the_last_checkpoint_are_done_again_once(make_job):
    job = make_job(epochs=2)
    train_stage(job, PlainEngine)
    before = losses(job)
    newest = trainable.every(job.checkpoints)[-1]
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    train_stage(job, PlainEngine)
    assert losses(job) == before


def test_only_the_newest_checkpoints_stay(make_job):
    job = make_job(epochs=2, keep_checkpoints=1)
    train_stage(job, PlainEngine)
    assert [path.name for path in trainable.every(job.checkpoints)] == ["step-00000010"]


def test_a_language_that_the_corpus_lacks_is_told_and_one_that_it_has_is_another_run(make_job):
    with pytest.raises(DataError, match="no sample in ur: en"):
        train_stage(make_job(languages=("ur",)), PlainEngine)
    assert identity(make_job(languages=("en",))) != identity(make_job())


@pytest.mark.parametrize("variant", [{"rslora": True}, {"dora": True}, {"fused": True}])
def test_a_variant_of_lora_learns_resumes_and_leaves_a_model_that_loads(make_job, variant):
    lora = LoraSettings(rank=4, alpha=8, dropout=0.0, **variant)
    optimizer = dataclasses.replace(make_job().config.optimizer, lora_plus_ratio=4.0)
    zero = ZeroSettings(stage=2)
    settings = {"lora": lora, "optimizer": optimizer, "zero": zero}
    whole = make_job("whole", epochs=2, **settings)
    result = train_stage(whole, PlainEngine)
    assert losses(whole)[-1] < losses(whole)[0]
    stopped = make_job("stopped", epochs=2, **settings)
    stopped.output.mkdir()
    stopped.stop_file.touch()
    train_stage(stopped, PlainEngine)
    stopped.stop_file.unlink()
    train_stage(stopped, PlainEngine)
    assert losses(stopped) == losses(whole)
    trained = dict(load_trained(whole.output).model.language_model.named_parameters())
    for name, tensor in merged_weights(result).items():
        if name.startswith("language_model."):
            own = trained[name.removeprefix("language_model.")]
            torch.testing.assert_close(tensor, own, atol=1e-6, rtol=1e-5)


def test_lengths_of_dora_need_whole_weights(make_job):
    stage = make_job(lora=LoraSettings(rank=4, alpha=8, dora=True)).config
    assert any("lora.dora needs zero.stage 2" in fault for fault in stage.faults())


def test_settings_that_earlier_versions_lacked_name_no_other_run(make_job):
    """What is not used is not part of the name: runs that began before go on."""
    job = make_job()
    values = config.to_dict(job.config)
    old = {name: value for name, value in values.items() if name not in _FREE}
    old["attention"] = "palo_segments"  # the only one that was, and now one of several
    del old["languages"], old["language_temperature"], old["lora"]["dora"], old["lora"]["rslora"]
    del old["lora"]["fused"], old["lora"]["shared_dropout"]
    del old["optimizer"]["lora_plus_ratio"], old["validation"]
    del old["train_projector"], old["base_precision"]
    del old["train_new_tokens"], old["optimizer"]["lr_new_tokens"]
    assert identity(job)["settings"] == config.fingerprint(old)


def test_another_learning_rate_does_not_continue_a_run(make_job):
    job = make_job()
    train_stage(job, PlainEngine)
    optimizer = dataclasses.replace(job.config.optimizer, lr_language_model=1e-4)
    with pytest.raises(MismatchError, match="another settings"):
        train_stage(make_job(optimizer=optimizer), PlainEngine)


def test_another_corpus_template_is_refused(make_job):
    with pytest.raises(MismatchError, match="another template"):
        train_stage(make_job(template="plain"), PlainEngine)


def test_a_loss_that_is_not_finite_stops_before_the_weights_change(make_job):
    optimizer = dataclasses.replace(
        make_job().config.optimizer, lr_language_model=1e30, max_grad_norm=0
    )
    job = make_job(optimizer=optimizer, epochs=20)
    with pytest.raises(TrainingError, match="not finite at step"):
        train_stage(job, PlainEngine)


@pytest.mark.parametrize("trains", ["projector", "full"])
def test_other_parts_train_too(make_job, trains):
    job = make_job(trains=trains, lora=None, epochs=4)
    train_stage(job, PlainEngine)
    assert losses(job)[-1] < losses(job)[0]
    assert (job.output / "language_model").is_dir() == (trains == "full")
    load_trained(job.output)


def test_a_stage_starts_from_the_projector_of_another(make_job):
    first = make_job("first", trains="projector", lora=None, epochs=4)
    train_stage(first, PlainEngine)
    second = dataclasses.replace(make_job("second"), projector=first.output)
    train_stage(second, PlainEngine)
    fresh = make_job("fresh")
    train_stage(fresh, PlainEngine)
    assert losses(second)[0] < losses(fresh)[0]


def test_a_stage_records_what_it_was_made_of(make_job):
    first = dataclasses.replace(make_job("first", trains="projector", lora=None), recipe="nano")
    train_stage(first, PlainEngine)
    second = dataclasses.replace(make_job("second"), projector=first.output)
    train_stage(second, PlainEngine)
    record = storage.read_json(second.output / "lineage.json")
    assert record["started_from"]["folder"] == "../first"
    assert record["started_from"]["id"] == lineage_id(first.output)
    assert [one["num_workers"] for one in record["machines"]] == [1]
    assert "name" not in record["machines"][0]
    assert set(record["commit"]) == {"commit", "dirty"}
    assert record["corpus"]["records"][0]["language"] == "en"
    lineage = lineage_of(second.output, check=True)
    states = {node.name: node.state for node in lineage.root.children}
    for name in ("tower", "language model", "tokenizer", "projector.safetensors"):
        assert states[name] == "checked"
    assert [node.state for node in lineage.root.children if node.kind == "start"] == ["checked"]
    recipes = [n.facts["recipe"] for n in lineage.nodes() if n.kind == "settings"]
    assert recipes == ["not recorded", "nano"]


def test_a_stage_trained_again_has_the_same_id(make_job):
    first, second = make_job("one"), make_job("two")
    train_stage(first, PlainEngine)
    train_stage(second, PlainEngine)
    assert lineage_id(first.output) == lineage_id(second.output)


def test_a_stage_that_reads_copies_on_a_scratch_disk_is_the_same_run(make_job, tmp_path):
    """Places don't count: neither for what is learned, nor for what is recorded."""
    plain = make_job("plain")
    train_stage(plain, PlainEngine)
    job = make_job("copied")
    workers = dataclasses.replace(job.config.workers, scratch=tmp_path / "ssd")
    job = dataclasses.replace(job, config=dataclasses.replace(job.config, workers=workers))
    result = train_stage(job, PlainEngine)
    assert result is not None
    assert losses(job) == losses(plain)
    assert result.parts.tower == job.parts.tower
    copies = [path.name.rpartition("-")[0] for path in (tmp_path / "ssd").iterdir()]
    assert {job.parts.tower.name, job.corpus.name} <= set(copies)
