"""The planner's memory against what models of our own really allocate, part by part."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tests.fixtures.backbones import KINDS, tiny_text_config
from tests.fixtures.live_tensors import LiveTensors

from palo.model import PaloForConditionalGeneration
from palo.model.lora import LoraSettings, attach_lora
from palo.model.loss_head import give_loss
from palo.model.sizes import from_folders, from_parts, mini
from palo.recipes.nano import BASE
from palo.train.engine import PlainEngine, choose_trainable
from palo.train.loop import summed_loss, token_losses
from palo.train.planner.activations import activation_bytes
from palo.train.planner.memory import RowSize, worker_memory
from palo.train.planner.shapes import count_parameters, shapes_of
from palo.train.stages import OptimizerSettings, StageConfig

_LENGTHS = (200, 150, 150, 160)
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def config_of(name: str):
    """The nano model, or mini's widths with fewer layers and tokens, so that it takes a second."""
    if name == "nano":
        return from_folders(BASE / "tower", BASE / "language_model")
    config = mini()
    if name in KINDS:
        text = tiny_text_config(
            name, hidden_size=288, intermediate_size=768, head_dim=64, num_attention_heads=6,
            query_pre_attn_scalar=64, sliding_window=100, layer_types=None,
        )  # fmt: skip
        config = from_parts(config.vision_config, text)
    config.image_size = 112
    config.text_config.num_hidden_layers = 3
    config.text_config.vocab_size = 8192
    if name == "mini-ldp":
        config.projector_type = "ldp"
    return config


def stage_of(trains: str, dropout: float, dtype: str, recompute: bool) -> StageConfig:
    lora = LoraSettings(
        rank=16,
        alpha=16,
        dropout=dropout,
        dora=trains == "dora",
        fused=trains in ("fused", "shared"),
        shared_dropout=trains == "shared",
    )
    trains = "lora" if lora.dora or lora.fused else trains
    return StageConfig(
        template="vicuna_v1",
        trains=trains,
        optimizer=OptimizerSettings(lr_projector=1e-3, lr_language_model=1e-3),
        lora=lora if trains == "lora" else None,
        dtype=dtype,
        activation_checkpointing=recompute,
    )


def model_of(config, stage: StageConfig):
    torch.manual_seed(0)
    model = PaloForConditionalGeneration(config).to(_DTYPES[stage.dtype])
    if stage.activation_checkpointing:
        model.activation_checkpointing_enable(
            {"use_reentrant": False}, every_n_layers=stage.recompute_every
        )
    if stage.chunked_loss:
        give_loss(model.language_model)
    if stage.lora:
        model = attach_lora(model, stage.lora)
    choose_trainable(model, stage.trains)
    return model.train()


def batch_of(config):
    """One packed row, each of its samples with an image in front; all text is predicted."""
    ids, targets = [], []
    for length in _LENGTHS:
        start = len(ids) + 1 + config.tokens_per_image
        words = torch.randint(3, 1000, (length - config.tokens_per_image - 1,)).tolist()
        ids += [1, *[-200] * config.tokens_per_image, *words]
        targets += range(start, len(ids) - 1)
    return SimpleNamespace(
        input_ids=torch.tensor([ids]),
        features=torch.randn(len(_LENGTHS), config.num_patches, config.vision_hidden_size),
        pixels=None,
        position_ids=torch.cat([torch.arange(n) for n in _LENGTHS])[None],
        cu_seq_lens=torch.tensor([0, *itertools.accumulate(_LENGTHS)], dtype=torch.int32),
        label_positions=torch.tensor(targets),
        targets=torch.randint(3, 1000, (len(targets),)),
    )


def row_of(batch) -> RowSize:
    return RowSize(
        tokens=batch.input_ids.shape[1], targets=len(batch.targets), images=len(batch.features)
    )


def peak_of(config, stage) -> int:
    """The most bytes that a row's forward and backward pass hold beside weights and gradients."""
    model, batch = model_of(config, stage), batch_of(config)
    learning = [p for p in model.parameters() if p.requires_grad]
    for parameter in learning:  # from the second row on they are there before
        parameter.grad = torch.zeros_like(parameter)
    known = [*model.parameters(), *(p.grad for p in learning), *vars(batch).values()]
    loss_of = summed_loss if stage.chunked_loss else token_losses
    with LiveTensors(one for one in known if one is not None) as live:
        loss_of(model, batch).sum().backward()
    return live.peak


def planned(config, stage):
    return worker_memory(
        shapes_of(config),
        count_parameters(config, stage),
        stage,
        row_of(batch_of(config)),
        with_deepspeed=False,
    )


CASES = [
    ("nano", "lora", 0.05, "bfloat16"),
    ("nano", "lora", 0.0, "float32"),
    ("nano", "projector", 0.0, "bfloat16"),
    ("nano", "full", 0.0, "bfloat16"),
    ("mini", "lora", 0.05, "float32"),
    ("mini", "lora", 0.0, "bfloat16"),
    ("mini", "fused", 0.05, "float32"),
    ("mini", "fused", 0.0, "bfloat16"),
    ("mini", "shared", 0.05, "bfloat16"),
    ("mini", "full", 0.0, "float32"),
    ("mini-ldp", "projector", 0.0, "float32"),
    ("qwen3", "lora", 0.0, "bfloat16"),
    ("gemma3", "full", 0.0, "float32"),
]
DORA = [("mini", "dora", 0.05, "float32"), ("nano", "dora", 0.0, "bfloat16")]


@pytest.mark.parametrize(("name", "trains", "dropout", "dtype"), CASES)
def test_what_is_saved_for_backward_is_foreseen_within_a_tenth(name, trains, dropout, dtype):
    config, stage = config_of(name), stage_of(trains, dropout, dtype, recompute=False)
    model, batch = model_of(config, stage), batch_of(config)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        token_losses(model, batch).sum()
    measured = sum(storage.nbytes() for storage in saved.values())
    row, shapes = row_of(batch), shapes_of(config)
    plan = activation_bytes(shapes, stage)
    foreseen = row.tokens * (plan.layer * shapes.layers + plan.ends) + row.images * plan.image
    foreseen += row.targets * shapes.vocabulary * 4  # log_softmax alone, before its backward pass
    assert foreseen == pytest.approx(measured, rel=0.10)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("name", "trains", "dropout", "dtype"), [*CASES, *DORA])
def test_the_peak_of_a_step_is_foreseen_within_a_tenth(name, trains, dropout, dtype, recompute):
    config, stage = config_of(name), stage_of(trains, dropout, dtype, recompute)
    assert planned(config, stage).activations == pytest.approx(peak_of(config, stage), rel=0.10)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("name", "trains", "dtype", "every"),
    [
        ("mini", "lora", "float32", 2),
        ("nano", "lora", "bfloat16", 2),
        ("mini", "lora", "bfloat16", 1),
        ("mini", "full", "float32", 1),
        ("nano", "projector", "float32", 1),
    ],
)
def test_a_loss_in_chunks_and_some_recomputed_layers_are_foreseen(
    name, trains, dtype, every, chunked
):
    stage = replace(
        stage_of(trains, 0.0, dtype, recompute=True), recompute_every=every, chunked_loss=chunked
    )
    config = config_of(name)
    assert planned(config, stage).activations == pytest.approx(peak_of(config, stage), rel=0.10)


@pytest.mark.parametrize(("name", "trains", "dropout", "dtype"), CASES[:4])
def test_weights_gradients_and_optimizer_are_counted_to_the_byte(name, trains, dropout, dtype):
    config, stage = config_of(name), stage_of(trains, dropout, dtype, recompute=False)
    model, batch = model_of(config, stage), batch_of(config)
    engine = PlainEngine(model, stage)
    engine.backward(token_losses(model, batch).sum(), last=True)
    gradients = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    engine.step(1.0)
    moments = sum(
        value.nbytes
        for state in engine._optimizer.state.values()
        for value in state.values()
        if value.ndim
    )
    plan = worker_memory(
        shapes_of(config),
        count_parameters(config, stage),
        stage,
        row_of(batch),
        with_deepspeed=False,
    )
    assert plan.weights == sum(p.nbytes for p in model.parameters())
    assert plan.gradients == gradients
    assert plan.optimizer == moments
