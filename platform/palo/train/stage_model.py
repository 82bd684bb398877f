"""The model of a stage: its parts, with LoRA and a projector, and what of them learns."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from palo.checkpoint.finished import read_projector
from palo.checkpoint.parts import ModelParts
from palo.checkpoint.trainable import ParameterState
from palo.errors import ConfigError, MismatchError
from palo.model import attention
from palo.model.assemble import assemble
from palo.model.attention_probe import choose, has_windows, probe
from palo.model.lora import attach_lora
from palo.model.loss_head import give_loss
from palo.model.new_token_names import FIRST_NEW_ID
from palo.model.new_tokens import give_new_rows
from palo.model.sizes import from_folders
from palo.train.deepspeed_config import deepspeed_config
from palo.train.engine import choose_trainable
from palo.train.settled import DTYPES, device_of
from palo.train.stages import StageConfig, StageJob

if TYPE_CHECKING:
    from palo.model.palo import PaloForConditionalGeneration


def build_model(parts: ModelParts, stage: StageConfig, projector: Path | None) -> Any:  # noqa: ANN401
    """Builds the model of a stage, with its trainable parameters chosen.

    Args:
        parts: The pretrained parts.
        stage: The stage's settings.
        projector: Finished stage whose projector is the start, or None.

    Returns:
        A PaloForConditionalGeneration, wrapped by PEFT if the stage trains LoRA weights.

    Raises:
        ConfigError: If a fresh projector would never learn.
    """
    if projector is None and not stage.train_projector:
        raise ConfigError(
            "train_projector is off, and no stage gives a projector",
            fix="Start from a finished stage with --start-from, or let the projector learn.",
        )
    implementation = _attention(parts, stage)
    model: Any = assemble(
        parts.tower,
        parts.language_model,
        parts.projector_type,
        image_size=parts.image_size,
        seed=stage.seed,
        dtype=DTYPES[stage.dtype],
        loading=_loading(stage),
        four_bit=stage.base_precision == "nf4",
    )
    model.language_model.set_attn_implementation(implementation)
    if stage.chunked_loss:
        give_loss(model.language_model)
    if projector is not None:
        load_projector(model, projector)
    if stage.activation_checkpointing:
        model.activation_checkpointing_enable(
            {"use_reentrant": False}, every_n_layers=stage.recompute_every
        )
    first_new = getattr(model.config.text_config, FIRST_NEW_ID, None)
    if stage.lora is not None and stage.train_new_tokens and first_new is not None:
        give_new_rows(model.language_model, first_new, _gathered)
    if stage.lora is not None:
        torch.manual_seed(stage.seed)
        model = attach_lora(model, stage.lora)
    choose_trainable(model, stage.trains, projector=stage.train_projector)
    return model


def _attention(parts: ModelParts, stage: StageConfig) -> str:
    if stage.attention == attention.NAME:  # runs everywhere
        return stage.attention
    text = from_folders(parts.tower, parts.language_model).text_config
    dtype, device, windowed = DTYPES[stage.dtype], device_of(stage), has_windows(text)
    if stage.attention == attention.AUTO:
        return choose(dtype, device, text.head_dim, windowed=windowed)[0]
    probe(stage.attention, dtype, device, text.head_dim, windowed=windowed)
    return stage.attention


def _loading(stage: StageConfig) -> AbstractContextManager[object] | None:
    """Where weights go while they are read: to all workers in shares, or straight to the GPU.

    Eight workers of a node that each read a whole model into main memory would need it eight times.
    """
    if stage.zero.partition_at_load:
        return partitioned(stage)
    return device_of(stage) if stage.workers.use_gpu else None


@contextmanager
def partitioned(stage: StageConfig) -> Iterator[None]:
    """Splits the weights that the block loads among the workers, piece by piece.

    Args:
        stage: The stage's settings.
    """
    from transformers.integrations import HfDeepSpeedConfig

    # transformers partitions every model that it builds while this object lives.
    alive = HfDeepSpeedConfig(deepspeed_config(stage))
    yield
    del alive


def result_weights(job: StageJob, states: Mapping[str, ParameterState]) -> dict[str, torch.Tensor]:
    """Returns the weights of a stage's result: what it trained, and a projector that it didn't.

    Args:
        job: The stage.
        states: Every trainable parameter by canonical name.
    """
    weights = {name: state.weight for name, state in states.items()}
    if job.config.train_projector:
        return weights
    assert job.projector is not None  # else build_model had refused
    kept = read_projector(job.projector)
    return {**{f"projector.{name}": tensor for name, tensor in kept.items()}, **weights}


def load_projector(model: "PaloForConditionalGeneration", stage_folder: Path) -> None:
    """Copies the projector of a finished stage into a model.

    Args:
        model: The model.
        stage_folder: The finished stage.

    Raises:
        MismatchError: If it doesn't fit the model.
    """
    weights = read_projector(stage_folder)
    own = dict(model.projector.named_parameters())
    if {k: tuple(v.shape) for k, v in weights.items()} != {
        k: tuple(getattr(v, "ds_shape", v.shape)) for k, v in own.items()
    }:
        raise MismatchError(
            f"the projector of {stage_folder} doesn't fit this model",
            seen=", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in weights.items()),
            fix="Pretrain a projector for this model.",
        )
    for name, parameter in own.items():
        with _gathered(parameter):
            parameter.data.copy_(weights[name])


def _gathered(parameter: torch.nn.Parameter) -> AbstractContextManager[object]:
    if not hasattr(parameter, "ds_id"):
        return nullcontext()
    import deepspeed

    gathered: AbstractContextManager[object] = deepspeed.zero.GatheredParameters(
        [parameter], modifier_rank=0
    )
    return gathered
