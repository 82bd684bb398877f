"""The planner's shares against the tensors that DeepSpeed holds in each of two processes."""

from dataclasses import replace

import pytest
from tests.fixtures.loaded_processes import run_workers


def held_and_planned(stage):
    """Returns the bytes that a worker holds, and those of the plan, by part."""
    import torch

    from palo.model import PaloForConditionalGeneration
    from palo.model.lora import attach_lora
    from palo.model.sizes import from_folders
    from palo.recipes.nano import BASE, nano
    from palo.train.engine import choose_trainable
    from palo.train.planner.memory import RowSize, worker_memory
    from palo.train.planner.shapes import count_parameters, shapes_of
    from palo.train.zero_engine import ZeroEngine

    made = nano().finetune
    zero = replace(made.zero, stage=stage, whole_blocks=stage == 3, persistence_threshold=1000)
    made = replace(made, dtype="bfloat16", zero=zero)
    config = from_folders(BASE / "tower", BASE / "language_model")
    model = attach_lora(PaloForConditionalGeneration(config).bfloat16(), made.lora)
    choose_trainable(model, "lora")
    engine = ZeroEngine(model, made)
    found = {}

    def add(tensor, part):
        if isinstance(tensor, torch.Tensor) and tensor.numel() > 1:
            storage = tensor.untyped_storage()
            found.setdefault(storage.data_ptr(), (part, storage.nbytes()))

    for parameter in engine.module.module.parameters():
        add(parameter.data, "weights")
        add(getattr(parameter, "ds_tensor", None), "weights")
    shared = engine.module.optimizer
    flats = "fp32_partitioned_groups_flat" if stage == 3 else "single_partition_of_fp32_groups"
    for flat in getattr(shared, flats):
        add(flat.data, "optimizer")
    for state in shared.optimizer.state.values():
        for value in state.values():
            add(value, "optimizer")
    counts = count_parameters(config, made)
    plan = worker_memory(shapes_of(config), counts, made, RowSize(tokens=1, targets=1, images=0))
    held = {"weights": 0, "optimizer": 0}
    for part, size in found.values():
        held[part] += size
    return held, {part: plan.parts()[part] for part in held}


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_holds_the_shares_that_a_plan_says(stage):
    for held, planned in run_workers(2, held_and_planned, stage):
        assert held["weights"] > 0
        for part, size in held.items():
            assert planned[part] == pytest.approx(size, rel=0.01)
