"""Which ZeRO stage, hpZ and row size the planner takes where the settings leave them open."""

from dataclasses import replace

import pytest

from palo import storage
from palo.machine import GIB
from palo.model.sizes import SIZES
from palo.pipeline.machines import Machines
from palo.pipeline.plan import plan_recipe
from palo.recipes import RECIPES
from palo.train.engine import PlainEngine
from palo.train.events import read_events
from palo.train.metrics import read_metrics
from palo.train.planner.memory import USABLE_SHARE, RowSize, worker_memory
from palo.train.planner.shapes import count_parameters, shapes_of
from palo.train.planner.sharding import MARGIN, choose_sharding
from palo.train.settled import settle
from palo.train.stages import ZeroSettings
from palo.train.worker import train_stage

_ROW = RowSize(tokens=16_384, targets=6_000, images=14)
_AUTO = ZeroSettings(stage="auto", partition_at_load=True)


@pytest.fixture(scope="module")
def chosen():
    """Chooses for 13B on cards of some GiB; keywords replace fields of the stage's settings."""
    made, model = RECIPES["13b"]().finetune, SIZES["13b"]()
    shapes = shapes_of(model)
    counts = {
        trains: count_parameters(model, replace(made, trains=trains, lora=lora))
        for trains, lora in (("lora", made.lora), ("full", None))
    }

    def choose(memory_gib, *, workers_a_node=8, count=8, **changes):
        stage = replace(made, workers=replace(made.workers, count=count), **changes)
        return choose_sharding(
            shapes, counts[stage.trains], stage, _ROW, memory_gib,
            workers_a_node=workers_a_node,
        )  # fmt: skip

    def peak_gib(sharding):
        stage = sharding.stage
        found = worker_memory(shapes, counts[stage.trains], stage, sharding.row)
        return found.peak / GIB

    choose.peak_gib = peak_gib
    return choose


@pytest.mark.parametrize(
    ("memory_gib", "changes", "level", "every", "budget"),
    [
        (141, {}, 1, None, 4_096),
        (80, {}, 1, 4, 4_096),
        (40, {}, 1, 1, 4_096),
        (28, {}, 3, 1, 16_384),
        (16, {}, 3, 1, 4_096),
        (80, {"trains": "full", "lora": None}, 2, 1, 16_384),
    ],
)
def test_the_cheapest_that_fits_is_taken(chosen, memory_gib, changes, level, every, budget):
    """`every` is which layers are computed again; None for none of them."""
    found = chosen(memory_gib, **changes)
    assert (found.stage.zero.level, found.stage.token_budget) == (level, budget)
    again = found.stage.recompute_every if found.stage.activation_checkpointing else None
    assert again == every
    assert found.stage.zero.partition_at_load == (level == 3)
    assert not list(found.stage.faults())
    assert chosen.peak_gib(found) * MARGIN <= memory_gib * USABLE_SHARE
    assert f"ZeRO-{level}, " in found.reason
    assert f"recomputed, rows of up to {budget:,} tokens: " in found.reason


def test_a_card_that_nothing_fits_gets_what_takes_least_and_is_told(chosen):
    found = chosen(8)
    assert found.stage.zero.level == 3
    assert found.stage.token_budget == 4_096
    assert found.reason.endswith("; nothing fits with a tenth to spare")


def test_a_second_copy_within_the_node_only_where_there_are_several_nodes(chosen):
    one, two, alone = chosen(24), chosen(32, count=16), chosen(24, count=16, workers_a_node=1)
    assert one.stage.zero.hpz == alone.stage.zero.hpz == 1
    assert (two.stage.zero.level, two.stage.zero.hpz) == (3, 8)
    assert "ZeRO-3 with hpZ over 8 GPUs" in two.reason
    plain = replace(two, stage=replace(two.stage, zero=replace(two.stage.zero, hpz=1)))
    copy = 13.85e9 * 2 / 8 / GIB
    assert chosen.peak_gib(two) - chosen.peak_gib(plain) == pytest.approx(copy, rel=0.02)


def test_what_needs_whole_weights_is_never_divided(chosen):
    dora = replace(RECIPES["13b"]().finetune.lora, dora=True)
    assert chosen(8, lora=dora).stage.zero.level == 2
    assert chosen(8, base_precision="nf4").stage.zero.level <= 2


def test_nothing_is_recomputed_that_the_settings_keep(chosen):
    assert not chosen(40, activation_checkpointing=False).stage.activation_checkpointing
    assert chosen(141, recompute_every=2).stage.activation_checkpointing is False
    assert chosen(40, recompute_every=2).stage.recompute_every >= 2


def test_a_setting_overrules_it(chosen):
    zero = ZeroSettings(stage=3)
    found = chosen(80, zero=zero)
    assert found.stage.zero == zero
    assert found.reason == ""


def test_a_plan_says_the_choice_and_each_card_its_own():
    small, large = (plan_recipe(RECIPES["13b"](), Machines(gpu=gpu)) for gpu in ("a10g", "h200"))
    levels = [[one.stage.zero.level for one in plan.stages] for plan in (small, large)]
    assert levels == [[3, 3], [1, 1]]
    for stage in small.stages:
        assert stage.wanted.zero.stage == "auto"
        assert stage.fits
        assert "would take" in stage.chosen


def test_open_settings_are_settled_before_the_model_is_built(make_job):
    """On a CPU as they were before they could be left open: the losses are equal bit for bit."""
    named = make_job("named", attention="palo_segments")
    auto = make_job("auto", zero=ZeroSettings(stage="auto", persistence_threshold=0))
    assert auto.config.attention == "auto"
    for job in (named, auto):
        train_stage(job, PlainEngine)
    losses = [[one.loss for one in read_metrics(job.metrics)] for job in (named, auto)]
    assert losses[0] == losses[1]
    settings = storage.read_json(auto.files.facts)["settings"]["config"]
    assert settings["attention"] == "palo_segments"
    assert settings["zero"]["stage"] == 3
    assert not read_events(auto.events)


def test_a_worker_with_a_gpu_looks_at_what_is_free(make_job, monkeypatch):
    import torch

    from palo.data.corpus_reader import open_corpus
    from palo.train import settled

    free = {"large": 20 * 2**30, "small": 2**20}
    job = make_job(zero=_AUTO)
    stage = replace(job.config, workers=replace(job.config.workers, use_gpu=True))
    monkeypatch.setattr(settled, "choose", lambda *_, **__: ("palo_varlen", None))
    found = {}
    for name, size in free.items():
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda size=size: (size, size))
        found[name] = settle(stage, job.parts, open_corpus(job.corpus))
    assert {name: one.zero.level for name, (one, _) in found.items()} == {"large": 1, "small": 3}
    ((kind, text),) = found["small"][1]
    assert kind == "sharding"
    assert "nothing fits" in text
    assert all(one.attention == "palo_varlen" for one, _ in found.values())
