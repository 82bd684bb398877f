"""An adapter on a frozen base in 4 bits (QLoRA); without bitsandbytes only what is refused."""

import dataclasses
from importlib.util import find_spec

import pytest
import torch

from palo import config
from palo.checkpoint.load import load_trained
from palo.errors import ConfigError
from palo.model import four_bit
from palo.train.engine import PlainEngine
from palo.train.metrics import read_metrics
from palo.train.model_flops import count_flops
from palo.train.planner.memory import worker_memory
from palo.train.planner.shapes import count_parameters, shapes_of
from palo.train.stage_identity import identity
from palo.train.stage_model import build_model
from palo.train.stages import ZeroSettings
from palo.train.worker import train_stage

_ZERO = ZeroSettings(stage=2, persistence_threshold=0)
needs_library = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="bitsandbytes isn't installed"
)


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


def test_without_the_library_it_is_refused_before_weights_are_read(make_job, monkeypatch):
    monkeypatch.setattr(four_bit, "find_spec", lambda name: None)
    job = make_job(base_precision="nf4", zero=_ZERO)
    with pytest.raises(ConfigError, match=r"needs bitsandbytes.*pip install"):
        train_stage(job, PlainEngine)
    assert not job.metrics.exists()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"zero": ZeroSettings(stage=3)}, "needs zero.stage 2 or 1"),
        ({"zero": _ZERO, "trains": "full", "lora": None}, "keeps the language model frozen"),
    ],
)
def test_what_can_not_be_in_4_bits_is_told(make_job, changes, fault):
    stage = make_job(base_precision="nf4", **changes).config
    with pytest.raises(ConfigError, match=fault):
        config.check(stage)


def test_it_is_another_run(make_job):
    assert identity(make_job(base_precision="nf4", zero=_ZERO)) != identity(make_job())


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_on_4_bits_learns_resumes_and_goes_with_the_whole_base(make_job, dtype):
    settings = {"base_precision": "nf4", "zero": _ZERO, "epochs": 2, "dtype": dtype}
    whole = make_job("whole", **settings)
    train_stage(whole, PlainEngine)
    assert losses(whole)[-1] < losses(whole)[0] - 0.05
    full = make_job("full", epochs=2, dtype=dtype)
    train_stage(full, PlainEngine)
    first = losses(whole)[0], losses(full)[0]
    assert first[0] == pytest.approx(first[1], rel=0.02)
    assert first[0] != first[1]
    stopped = make_job("stopped", **settings)
    stopped.output.mkdir()
    stopped.stop_file.touch()
    assert train_stage(stopped, PlainEngine) is None
    stopped.stop_file.unlink()
    train_stage(stopped, PlainEngine)
    assert losses(stopped) == losses(whole)
    trained = load_trained(whole.output).model  # merged into the base's own weights
    weights = dict(trained.language_model.named_parameters())
    assert all(weight.dtype == torch.float32 for weight in weights.values())


@needs_library
def test_only_linear_layers_of_the_blocks_are_small_and_a_plan_counts_them(make_job):
    job = make_job(base_precision="nf4", zero=_ZERO)
    model = build_model(job.parts, job.config, None)
    packed = {name for name, p in model.named_parameters() if p.dtype == torch.uint8}
    assert len(packed) == 2 * 7
    assert all(".language_model.model.layers." in name for name in packed)
    whole = build_model(job.parts, make_job().config, None)
    assert count_flops(model, "lora") == count_flops(whole, "lora")
    from palo.model.sizes import from_folders
    from palo.train.planner.memory import RowSize

    sizes = from_folders(job.parts.tower, job.parts.language_model)
    counts = count_parameters(sizes, job.config)
    assert counts.blocks == count_flops(whole, "lora").num_decoder
    plan = worker_memory(
        shapes_of(sizes), counts, job.config, RowSize(tokens=1, targets=1, images=0),
        with_deepspeed=False,
    )  # fmt: skip
    held = sum(p.nbytes for p in model.parameters())
    states = [p.quant_state for p in model.parameters() if hasattr(p, "quant_state")]
    held += sum(s.absmax.nbytes + s.state2.absmax.nbytes for s in states)
    assert plan.weights == pytest.approx(held, rel=0.01)


@needs_library
def test_recomputation_and_a_loss_in_chunks_learn_the_same_on_4_bits(make_job):
    settings = {"base_precision": "nf4", "zero": _ZERO}
    plain, other = make_job("plain", **settings), make_job("other", **settings)
    faster = {"activation_checkpointing": True, "chunked_loss": True}
    changed = dataclasses.replace(other.config, **faster)
    train_stage(plain, PlainEngine)
    train_stage(dataclasses.replace(other, config=changed), PlainEngine)
    assert losses(other) == pytest.approx(losses(plain), abs=1e-5)
