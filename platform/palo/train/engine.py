"""The seam between the training loop and DeepSpeed: the protocol, and the engine without DeepSpeed.

`TrainEngine` is what the loop needs of a model with its optimizer. `PlainEngine` is one process on
torch's AdamW, the reference that `zero_engine.ZeroEngine` must equal. Parameters carry the names of
the bare model and are grouped here for both.
"""

import math
from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import nn

from palo.checkpoint.trainable import ParameterState
from palo.model.new_token_names import is_new_rows
from palo.train.stages import OptimizerSettings, StageConfig, Trains

_PEFT_PREFIX = "base_model.model."


class TrainEngine(Protocol):
    """A model with its optimizer on one worker of `world_size`.

    Attributes:
        rank: This worker's index.
        world_size: Number of workers.
        device: Where batches belong.
        module: The model; call it for a forward pass.
    """

    rank: int
    world_size: int
    device: torch.device
    module: Any

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        """Adds the gradients of a loss that is this worker's part of a sum over all workers.

        Args:
            loss: Scalar.
            last: Whether this is the step's last micro-batch.
        """

    def step(self, lr_scale: float) -> float:
        """Clips, updates the weights, clears the gradients.

        Gradients whose norm is not finite are cleared alone.

        Args:
            lr_scale: Share of each group's peak learning rate.

        Returns:
            The global L2 norm of the gradients before clipping; if it is not finite, the weights
            are those before the step.
        """

    def discard(self) -> float:
        """Clears the gradients in place of a step; all workers must call it together.

        Returns:
            NaN, for a norm that nobody knows.
        """

    def sum_over_workers(self, values: torch.Tensor) -> torch.Tensor:
        """Returns the elementwise sum of float64 values over all workers.

        Args:
            values: Values of this worker, float64.
        """

    def gather(self) -> dict[str, ParameterState]:
        """Collects every trainable parameter on rank 0 (CPU, float32); other ranks get nothing.

        All workers must call it together.
        """

    def restore(self, states: dict[str, ParameterState], num_steps: int) -> None:
        """Restores gathered states after `num_steps` optimizer steps, for any world size.

        Args:
            states: State of every trainable parameter, by canonical name.
            num_steps: Optimizer steps that they have seen.
        """


def canonical_name(name: str) -> str:
    """Returns a parameter's name as the bare model has it, without PEFT's wrapper in front.

    Args:
        name: The parameter's name in a model that PEFT may have wrapped.
    """
    return name.removeprefix(_PEFT_PREFIX)


def choose_trainable(model: nn.Module, trains: Trains, *, projector: bool = True) -> None:
    """Marks exactly the parameters that a stage trains; those of the image tower never are.

    Args:
        model: The model.
        trains: The parts that learn.
        projector: Whether the projector does, too.
    """
    for name, parameter in model.named_parameters():
        bare = canonical_name(name)
        learns = projector and bare.startswith("projector.")
        if trains == "lora":
            learns = learns or ".lora_" in bare or is_new_rows(bare)
        elif trains == "full":
            learns = learns or bare.startswith("language_model.")
        parameter.requires_grad_(learns)


def trainable_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Returns the parameters that learn, by canonical name, in the model's own order.

    Args:
        model: The model.
    """
    return {
        canonical_name(name): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def parameter_groups(
    parameters: Iterable[tuple[str, nn.Parameter]], optimizer: OptimizerSettings
) -> list[dict[str, Any]]:
    """Splits parameters into the optimizer's groups, decayed and not.

    The parts are the projector, the language model or its adapter, for LoRA+ the adapter's B
    matrices, and the rows of new tokens.

    Args:
        parameters: Canonical names and parameters.
        optimizer: Learning rates and weight decay.

    Returns:
        Groups for a torch optimizer, each with a `peak_lr` beside its `lr`; empty ones left out.
    """
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters:
        part = "projector" if name.startswith("projector.") else "language_model"
        if ".lora_B." in name and optimizer.lora_plus_ratio != 1:
            part = "lora_b"
        elif is_new_rows(name):
            part = "new_tokens"
        # Under ZeRO-3 a scattered parameter has an empty shape; DeepSpeed keeps ds_shape.
        is_matrix = len(getattr(parameter, "ds_shape", parameter.shape)) > 1
        groups.setdefault((part, is_matrix), []).append(parameter)
    rates = {
        "projector": optimizer.lr_projector,
        "language_model": optimizer.lr_language_model,
        "lora_b": optimizer.lr_language_model * optimizer.lora_plus_ratio,
        "new_tokens": optimizer.new_token_rate,
    }
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


class PlainEngine:
    """A TrainEngine of world size 1 on torch's own AdamW.

    Args:
        model: The model, its trainable parameters already chosen.
        stage: The stage's settings; those of DeepSpeed and of workers are ignored.
    """

    rank = 0
    world_size = 1

    def __init__(self, model: Any, stage: StageConfig) -> None:  # noqa: ANN401 - PEFT or bare model
        self.module = model
        self.device = next(model.parameters()).device
        self._parameters = trainable_parameters(model)
        self._max_grad_norm = stage.optimizer.max_grad_norm
        self._optimizer = torch.optim.AdamW(
            parameter_groups(self._parameters.items(), stage.optimizer),
            betas=stage.optimizer.betas,
            eps=stage.optimizer.eps,
        )

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        """See TrainEngine.backward.

        Args:
            loss: Scalar.
            last: Whether this is the step's last micro-batch.
        """
        del last
        loss.backward()

    def step(self, lr_scale: float) -> float:
        """See TrainEngine.step.

        Args:
            lr_scale: Share of each group's peak learning rate.
        """
        limit = self._max_grad_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self._parameters.values(), limit)
        if not torch.isfinite(norm):
            self._optimizer.zero_grad()
            return float(norm)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_scale
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(norm)

    def discard(self) -> float:
        """See TrainEngine.discard."""
        self._optimizer.zero_grad()
        return math.nan

    def sum_over_workers(self, values: torch.Tensor) -> torch.Tensor:
        """See TrainEngine.sum_over_workers.

        Args:
            values: Values of this worker, float64.
        """
        return values

    def gather(self) -> dict[str, ParameterState]:
        """See TrainEngine.gather."""
        return {
            name: ParameterState(
                parameter.detach().float().cpu().clone(), *self._moments(parameter)
            )
            for name, parameter in self._parameters.items()
        }

    def _moments(self, parameter: torch.nn.Parameter) -> tuple[torch.Tensor, torch.Tensor]:
        state = self._optimizer.state.get(parameter)
        if not state:  # before the first step AdamW has no moments yet
            zeros = torch.zeros_like(parameter, dtype=torch.float32, device="cpu")
            return zeros, zeros.clone()
        return state["exp_avg"].cpu().clone(), state["exp_avg_sq"].cpu().clone()

    def restore(self, states: dict[str, ParameterState], num_steps: int) -> None:
        """See TrainEngine.restore.

        Args:
            states: State of every trainable parameter, by canonical name.
            num_steps: Optimizer steps that they have seen.
        """
        for name, parameter in self._parameters.items():
            state = states[name]
            with torch.no_grad():
                parameter.copy_(state.weight)
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(num_steps)),
                "exp_avg": state.exp_avg.to(parameter.device),
                "exp_avg_sq": state.exp_avg_sq.to(parameter.device),
            }
