"""Which parameters learn in a stage, under which name and at which rate."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from palo.train.stages import OptimizerSettings, Trains

_PEFT_PREFIX = "base_model.model."


def canonical_name(name: str) -> str:
    """Returns a parameter's name as the bare model has it, without PEFT's wrapper in front."""
    return name.removeprefix(_PEFT_PREFIX)


def choose_trainable(model: nn.Module, trains: Trains) -> None:
    """Marks exactly the parameters that a stage trains; the image tower is never among them."""
    for name, parameter in model.named_parameters():
        bare = canonical_name(name)
        learns = bare.startswith("projector.")
        if trains == "lora":
            learns = learns or ".lora_" in bare
        elif trains == "full":
            learns = learns or bare.startswith("language_model.")
        parameter.requires_grad_(learns)


def trainable_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Returns the parameters that learn, by canonical name, in the model's own order."""
    return {
        canonical_name(name): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def parameter_groups(
    parameters: Iterable[tuple[str, nn.Parameter]], optimizer: OptimizerSettings
) -> list[dict[str, Any]]:
    """Splits parameters into the optimizer's groups: projector and language, decayed and not.

    Args:
        parameters: Canonical names and parameters.
        optimizer: Learning rates and weight decay.

    Returns:
        Groups for a torch optimizer, each with a `peak_lr` beside its `lr`; empty ones left out.
    """
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters:
        part = "projector" if name.startswith("projector.") else "language"
        # Under ZeRO-3 a scattered parameter has an empty shape; DeepSpeed keeps ds_shape.
        is_matrix = len(getattr(parameter, "ds_shape", parameter.shape)) > 1
        groups.setdefault((part, is_matrix), []).append(parameter)
    rates = {"projector": optimizer.lr_projector, "language": optimizer.lr_language}
    return [
        {
            "params": members,
            "lr": rates[part],
            "peak_lr": rates[part],
            "weight_decay": optimizer.weight_decay if is_matrix else 0.0,
            "part": part,
        }
        for (part, is_matrix), members in groups.items()
    ]
