from dataclasses import replace

import pytest
from torch import nn

from palo.model.lora import LoraSettings, attach_lora
from palo.train.engine import choose_trainable, parameter_groups, trainable_parameters
from palo.train.stages import OptimizerSettings

SETTINGS = OptimizerSettings(lr_projector=1e-3, lr_language_model=1e-4, weight_decay=0.1)


@pytest.mark.parametrize(
    ("trains", "prefixes"),
    [("projector", {"projector"}), ("full", {"projector", "language_model"})],
)
def test_exactly_the_chosen_parts_learn(tiny_model, trains, prefixes):
    model = tiny_model()
    choose_trainable(model, trains)
    names = trainable_parameters(model)
    assert {name.split(".")[0] for name in names} == prefixes
    wanted = sum(p.numel() for n, p in model.named_parameters() if n.split(".")[0] in prefixes)
    assert sum(p.numel() for p in names.values()) == wanted


def test_lora_learns_with_the_projector_and_nothing_else(tiny_model):
    model = attach_lora(tiny_model(), LoraSettings(rank=2))
    choose_trainable(model, "lora")
    names = list(trainable_parameters(model))
    assert all(name.startswith("projector.") or ".lora_" in name for name in names)
    assert any(name.startswith("language_model.") for name in names)
    assert not any(name.startswith("base_model") for name in names)


def test_lora_plus_gives_the_matrices_that_begin_at_zero_a_rate_of_their_own(tiny_model):
    model = attach_lora(tiny_model(), LoraSettings(rank=2, dora=True))
    choose_trainable(model, "lora")
    plus = replace(SETTINGS, lora_plus_ratio=16.0)
    learning = trainable_parameters(model)
    rates = {
        id(parameter): group["peak_lr"]
        for group in parameter_groups(learning.items(), plus)
        for parameter in group["params"]
    }
    assert len(rates) == len(learning)
    for name, parameter in learning.items():
        part = 1e-3 if name.startswith("projector.") else 1e-4
        expected = 16e-4 if ".lora_B." in name else part
        assert rates[id(parameter)] == pytest.approx(expected)


def test_groups_have_their_part_s_rate_and_decay_only_matrices():
    model = nn.ModuleDict({"projector": nn.Linear(3, 2), "language_model": nn.Linear(2, 2)})
    groups = parameter_groups(model.named_parameters(), SETTINGS)
    found = {(g["part"], g["params"][0].ndim): (g["peak_lr"], g["weight_decay"]) for g in groups}
    assert found == {
        ("projector", 2): (1e-3, 0.1),
        ("projector", 1): (1e-3, 0.0),
        ("language_model", 2): (1e-4, 0.1),
        ("language_model", 1): (1e-4, 0.0),
    }
