"""Two workers under ZeRO-3 with a run folder on S3, without Ray: processes of this test."""

import dataclasses
import shutil
from importlib.util import find_spec

import pytest
from tests.fixtures.loaded_processes import run_workers

from palo.checkpoint import trainable
from palo.model.lora import LoraSettings
from palo.train.engine import PlainEngine
from palo.train.faults import PreemptedError
from palo.train.metrics import read_metrics
from palo.train.run_store import scratch_folder
from palo.train.stages import ZeroSettings
from palo.train.worker import train_stage


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


class Notice:
    """Says after some looks that this worker's node will be taken away."""

    def __init__(self, after):
        self.left = after

    def __call__(self):
        self.left -= 1
        return self.left < 0


def work(job, notice_at):
    """One worker; the second one has its notice after some looks, if ever."""
    from deepspeed.utils import safe_get_full_fp32_param
    from torch import distributed

    from palo.train.preemption import no_notice
    from palo.train.zero_engine import ZeroEngine

    class Watched(ZeroEngine):
        """Counts the frozen parameters that are whole after a backward pass.

        And those that are at their places, with the values of all workers, after each step.
        """

        most_left = 0
        places = ()
        kept = ()

        def backward(self, loss, *, last):
            super().backward(loss, last=last)
            if self._stage < 3:
                return
            parameters = [p for p in self.module.parameters() if not p.requires_grad]
            left = sum(p.ds_status.name == "AVAILABLE" for p in parameters)
            Watched.most_left = max(Watched.most_left, left)

        def step(self, lr_scale):
            norm = super().step(lr_scale)
            if self._stage < 3:
                return norm
            named = self.module.named_parameters()
            parameters = [p for name, p in named if "vision_tower" not in name]  # it never runs
            places = [p.data_ptr() if p.ds_status.name == "AVAILABLE" else 0 for p in parameters]
            values = ((p, safe_get_full_fp32_param(p)) for p in self._parameters.values())
            new = all(
                bool((p.data == v).all()) for p, v in values if p.ds_status.name == "AVAILABLE"
            )
            stayed = sum(one == other != 0 for one, other in zip(places, self.places, strict=False))
            Watched.places = places
            Watched.kept = (*self.kept, stayed / len(places) if new else -1)
            return norm

    has_notice = distributed.get_rank() == 1 and notice_at is not None
    try:
        train_stage(job, Watched, notice=Notice(notice_at) if has_notice else no_notice)
        end = "finished"
    except PreemptedError:
        end = "preempted"
    return end, Watched.most_left, Watched.kept


def run_two(job, notice_at=None):
    """Trains with two workers.

    Returns how each ended, the frozen parameters left whole, and the share of all parameters that
    stayed where they were in each step: -1 if any of them had old values.
    """
    ends, most_left, kept = zip(*run_workers(2, work, job, notice_at), strict=True)
    return list(ends), max(most_left), list(kept)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "zero",
    [
        ZeroSettings(stage=2),
        ZeroSettings(stage=3, persistence_threshold=0),
        ZeroSettings(stage=3, whole_blocks=True),
    ],
    ids=["zero2", "zero3", "zero3-whole-blocks"],
)
def test_two_zero_workers_equal_one_plain_process(make_job, zero):
    plain, divided = make_job("plain", epochs=2), make_job("divided", epochs=2, zero=zero)
    train_stage(plain, PlainEngine)
    assert run_two(divided)[0] == ["finished", "finished"]
    assert losses(divided) == pytest.approx(losses(plain), abs=1e-5)
    ends = [trainable.read_states(trainable.every(job.checkpoints)[-1]) for job in (plain, divided)]
    assert ends[0].keys() == ends[1].keys()
    for name, state in ends[1].items():
        assert state.weight.sub(ends[0][name].weight).abs().max() < 1e-4, name


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_notice_to_one_worker_has_both_save_and_any_number_goes_on_from_the_store(
    make_job, bucket, tmp_path, monkeypatch, prove
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    zero = ZeroSettings(stage=3, persistence_threshold=0)
    local = make_job("plain", epochs=3, zero=zero, checkpoint_every=100)
    train_stage(local, PlainEngine)
    job = dataclasses.replace(local, output=bucket / "run")
    assert run_two(job, notice_at=5)[0] == ["preempted", "preempted"]
    (newest,) = trainable.every(job.checkpoints)
    assert trainable.read_cursor(newest).step == len(losses(job)) == 6
    shutil.rmtree(scratch_folder(job))
    with pytest.raises(PreemptedError):
        train_stage(job, PlainEngine, notice=Notice(4))
    assert len(losses(job)) == 11
    assert run_two(job)[0] == ["finished", "finished"]
    pairs = zip(losses(job), losses(local), strict=True)
    largest = max(abs(one - other) for one, other in pairs)
    prove("2 -> 1 -> 2 workers, from S3", "difference of a step's loss", largest, 1e-5)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("recompute", [False, True])
def test_no_frozen_weight_stays_whole_after_a_backward_pass(make_job, recompute, prove):
    """DeepSpeed after 0.19.3 is said to leave them so where layers are recomputed."""
    zero = ZeroSettings(stage=3, persistence_threshold=0)
    job = make_job(zero=zero, activation_checkpointing=recompute)
    ends, most_left, _ = run_two(job)
    assert ends == ["finished", "finished"]
    claim = f"ZeRO-3, {'recomputing' if recompute else 'keeping'} activations"
    prove(claim, "frozen weights left whole", most_left, 0)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("trains", ["lora", "full"])
def test_a_second_copy_of_the_weights_within_the_node_changes_nothing(make_job, trains, prove):
    """hpZ, with both workers as one node; one stop in between restores beside that copy."""
    lora = make_job().config.lora if trains == "lora" else None
    shared = {"trains": trains, "lora": lora, "epochs": 2}
    zero = ZeroSettings(stage=3, persistence_threshold=0)
    plain = make_job("plain", zero=zero, **shared)
    copied = make_job("copied", zero=dataclasses.replace(zero, hpz=2), **shared)
    assert run_two(plain)[0] == ["finished", "finished"]
    assert run_two(copied, notice_at=5)[0] == ["preempted", "preempted"]
    assert run_two(copied)[0] == ["finished", "finished"]
    pairs = zip(losses(copied), losses(plain), strict=True)
    largest = max(abs(one - other) for one, other in pairs)
    prove(f"hpZ of ZeRO-3, trains={trains}", "difference of a step's loss", largest, 0)


@pytest.mark.timeout(900)
@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes isn't installed")
@pytest.mark.parametrize("stage", [1, 2])
def test_two_workers_learn_on_4_bits_what_one_learns(make_job, stage):
    zero = ZeroSettings(stage=stage)
    alone, both = (
        make_job(name, zero=zero, base_precision="nf4", epochs=2) for name in ("alone", "both")
    )
    train_stage(alone, PlainEngine)
    assert run_two(both, notice_at=5)[0] == ["preempted", "preempted"]
    assert run_two(both)[0] == ["finished", "finished"]
    assert losses(both) == pytest.approx(losses(alone), abs=1e-5)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fused", [False, True])
def test_whole_parameters_stay_in_place_and_have_the_new_values_after_a_step(
    make_job, fused, prove
):
    """Those that aren't divided; in the first two passes DeepSpeed learns their order."""
    lora = LoraSettings(rank=4, alpha=8, dropout=0.0, fused=fused)
    job = make_job("two", lora=lora, epochs=2, zero=ZeroSettings(persistence_threshold=10**6))
    ends, _, kept = run_two(job)
    assert ends == ["finished", "finished"]
    assert [share for worker in kept for share in worker[2:]] == [1.0] * 16
    assert min(share for worker in kept for share in worker) >= 0
    alone = make_job("one", lora=LoraSettings(rank=4, alpha=8, dropout=0.0), epochs=2)
    train_stage(alone, PlainEngine)
    largest = max(abs(a - b) for a, b in zip(losses(job), losses(alone), strict=True))
    way = "a fused LoRA layer" if fused else "whole parameters"
    prove(f"{way}, ZeRO-3, 2 workers", "difference of a step's loss", largest, 1e-5)


@pytest.mark.timeout(900)
def test_a_fused_layer_has_its_weights_where_they_are_divided(make_job):
    lora = LoraSettings(rank=4, alpha=8, dropout=0.0, fused=True)
    job = make_job("two", lora=lora, zero=ZeroSettings(persistence_threshold=0))
    assert run_two(job)[:2] == (["finished", "finished"], 0)
    alone = make_job("one", lora=lora)
    train_stage(alone, PlainEngine)
    assert losses(job) == pytest.approx(losses(alone), abs=1e-5)
