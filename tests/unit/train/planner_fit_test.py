"""Whether a stage fits a card, and what the planner says where it doesn't."""

from dataclasses import replace

import pytest

from palo.command import override
from palo.machine import GIB
from palo.model.sizes import SIZES
from palo.pipeline.machines import Machines
from palo.pipeline.plan import plan_recipe
from palo.recipes import RECIPES
from palo.train.planner.changes import find_fit, find_quicker
from palo.train.planner.gpus import GPUS
from palo.train.planner.memory import RowSize, worker_memory
from palo.train.planner.shapes import count_parameters, shapes_of
from palo.train.planner.stage_plan import PlanSettings
from palo.train.planner.text_lengths import assumed_lengths, mean_lengths
from palo.train.stages import ZeroSettings


@pytest.fixture(scope="module")
def memory_of():
    """Returns the memory of 7B's finetune stage under ZeRO-3, with other settings."""
    made, model = replace(RECIPES["7b"]().finetune, zero=ZeroSettings()), SIZES["7b"]()
    shapes, counts = shapes_of(model), count_parameters(model, made)

    def memory(**changes):
        stage = replace(made, **changes)
        row = RowSize(tokens=stage.token_budget, targets=stage.token_budget / 2, images=13)
        return worker_memory(shapes, counts, stage, row)

    memory.counts = counts
    return memory


@pytest.mark.parametrize(("scale", "gpu"), [("13b", "a100-80"), ("7b", "a100-40")])
def test_the_papers_stages_fit_the_papers_cards(scale, gpu):
    plan = plan_recipe(RECIPES[scale](), Machines(gpu=gpu))
    assert plan.fits
    assert {one.stage.workers.count for one in plan.stages} == {8}


def test_parts_are_those_of_the_arithmetic_by_hand(memory_of):
    """7B with LoRA of rank 128 in rows of 16,384 tokens under ZeRO-3 on eight GPUs, in GiB."""
    parts = {name: size / GIB for name, size in memory_of().parts().items()}
    assert parts["weights"] == pytest.approx(7.383e9 * 2 / 8 / GIB, rel=0.01)
    assert parts["gradients"] == pytest.approx(340.8e6 * 2 / 8 / GIB, rel=0.01)
    assert parts["optimizer"] == pytest.approx(340.8e6 * 12 / 8 / GIB, rel=0.01)
    assert parts["hiddens"] == pytest.approx(
        (16384 * (32 * 4096 * 2 + 4096 * 4) + 13 * 576 * 2 * (2 * 1024 + 2 * 4096)) / GIB, rel=0.01
    )
    assert parts["loss"] == pytest.approx(8192 * (2 * 4096 * 2 + 4 * 4096 * 4) / GIB, rel=0.01)


def test_all_logits_take_far_more_than_those_of_a_few_rows(memory_of):
    whole = memory_of(chunked_loss=False)
    assert whole.loss == pytest.approx(8192 * 32000 * 12, rel=0.01)
    assert whole.loss > 4 * memory_of().loss


def with_workers(recipe, count):
    finetune = recipe.finetune
    workers = replace(finetune.workers, count=count)
    return replace(recipe, finetune=replace(finetune, workers=workers))


def test_each_stage_of_zero_shares_one_part_more(memory_of):
    first, second, third = (memory_of(zero=ZeroSettings(stage=n)) for n in (1, 2, 3))
    assert first.weights == second.weights > 7 * third.weights
    assert first.gradients == pytest.approx(8 * second.gradients)
    assert first.optimizer == second.optimizer == third.optimizer
    assert first.gathered == second.gathered == 0 < third.gathered


def test_offloading_moves_bytes_to_main_memory(memory_of):
    kept, moved = (memory_of(zero=ZeroSettings(offload=one)) for one in (False, True))
    assert moved.optimizer == 0
    assert moved.peak < kept.peak
    assert moved.host == pytest.approx(kept.optimizer + kept.weights - moved.weights)


def test_a_4_bit_base_needs_half_a_byte_a_weight_and_is_not_shared(memory_of):
    counts = memory_of.counts
    rest = (counts.total - counts.blocks) * 2
    small = memory_of(base_precision="nf4", zero=ZeroSettings(stage=1))
    assert small.weights == pytest.approx(counts.blocks * 0.516 + rest, rel=0.01)


@pytest.mark.parametrize(
    ("recipe", "gpu", "flags"),
    [
        (
            "13b-scripts",
            "a100-40",
            ["--pretrain.zero.stage 3", "--pretrain.zero.partition-at-load"],
        ),
        ("7b", "a10g", None),
    ],
)
def test_what_to_change_is_the_least_that_fits_and_parses(recipe, gpu, flags):
    made = RECIPES[recipe]()
    if flags is None:
        zero = replace(made.finetune.zero, stage=2, partition_at_load=False)
        made = replace(made, finetune=replace(made.finetune, zero=zero))
    plan = plan_recipe(made, Machines(gpu=gpu))
    assert plan.fits is False
    for name, change in plan.changes.items():
        assert change is not None
        if flags is not None:
            assert list(change.flags) == flags
        words = " ".join(change.flags).split()
        again = plan_recipe(override(made, words, "x"), Machines(gpu=gpu))
        stage = next(one for one in again.stages if one.name == name)
        assert stage.fits
        assert stage.memory == change.plan.memory


def test_where_nothing_helps_a_larger_card_is_named():
    made = RECIPES["13b-scripts"]()
    stage = replace(
        made.finetune, trains="full", lora=None, zero=ZeroSettings(stage=1), token_budget=2048
    )
    small = replace(stage, workers=replace(stage.workers, count=1))
    plan = plan_recipe(replace(made, pretrain=None, finetune=small), Machines(gpu="a10g"))
    change = plan.changes["finetune"]
    assert change is None or change.gpu is not None or "workers.count" in " ".join(change.flags)
    assert (
        find_fit(
            plan.stages[0],
            shapes_of(SIZES["13b"]()),
            PlanSettings(gpu=GPUS["a10g"], efficiency=None),
        )
        == change
    )


def test_a_row_is_no_longer_than_what_a_worker_has_to_do():
    """Regression: on 64 GPUs a step's samples fill a fifth of the budget, and memory with it."""
    few, many = (
        plan_recipe(with_workers(RECIPES["7b"](), count), Machines()).stages[-1].facts.fullest_row
        for count in (8, 64)
    )
    assert few.tokens == 16_384
    assert 2048 <= many.tokens < 4096
    assert many.targets < few.targets / 3


def test_free_memory_is_offered_for_less_recomputation():
    made = RECIPES["7b"]()
    finetune = replace(made.finetune, zero=ZeroSettings(partition_at_load=True))
    made = replace(made, finetune=finetune)
    plan = plan_recipe(made, Machines(gpu="a100-80"))
    quicker = plan.quicker["finetune"]
    assert quicker.plan.hours < plan.stages[-1].hours
    assert quicker.plan.fits
    done = override(made, " ".join(quicker.flags).split(), "x").finetune
    assert not done.activation_checkpointing
    shapes = shapes_of(SIZES["7b"]())
    settings = PlanSettings(gpu=GPUS["a100-80"], efficiency=None)
    assert find_quicker(quicker.plan, shapes, settings) is None


def test_whole_weights_are_offered_where_gathering_them_takes_longest():
    counts = ["--pretrain.workers.count", "64", "--finetune.workers.count", "64"]
    divided = ["--pretrain.zero.stage", "3", "--finetune.zero.stage", "3"]
    recipe = override(RECIPES["7b"](), counts + divided, "x")
    plan = plan_recipe(recipe, Machines(gpu="a100-80"))
    quicker = plan.quicker["finetune"]
    assert "--finetune.zero.stage 2" in quicker.flags
    assert quicker.plan.fits
    done = override(recipe, " ".join(quicker.flags).split(), "x").finetune
    assert done.zero.stage == 2
    assert list(done.zero.faults()) == []
    assert done == quicker.plan.stage
    assert quicker.plan.gather_s == 0 < plan.stages[-1].gather_s
    one_node = override(RECIPES["7b"](), divided, "x")  # there arithmetic hides it
    near = plan_recipe(one_node, Machines(gpu="a100-80"))
    assert not any("zero" in flag for flag in near.quicker["finetune"].flags)


def test_longer_languages_are_cut_or_split_more_often():
    english, bengali = (assumed_lengths(one, 1472, "truncate") for one in ("en", "bn"))
    assert english.too_long < 0.01
    assert 0.4 < bengali.too_long < 0.6
    assert english.text_tokens == pytest.approx(345, rel=0.01)
    assert 1100 < bengali.text_tokens < 1472
    split = assumed_lengths("bn", 1472, "split")
    assert split.samples > 1.2
    assert split.samples * split.text_tokens > bengali.text_tokens


def test_a_mixture_is_the_mean_of_its_languages():
    one, other = (assumed_lengths(code, 1472, "truncate").text_tokens for code in ("en", "ur"))
    mixed = mean_lengths({"en": 3, "ur": 1}, 1472, "truncate").text_tokens
    assert mixed == pytest.approx((3 * one + other) / 4)
