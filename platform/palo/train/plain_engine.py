"""One process without DeepSpeed: the reference that the distributed engine must equal."""

from typing import Any

import torch

from palo.checkpoint.trainable import ParameterState
from palo.train.parameter_groups import parameter_groups, trainable_parameters
from palo.train.stages import StageConfig


class PlainEngine:
    """An Engine of world size 1 on torch's own AdamW.

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
        """See Engine.backward."""
        del last
        loss.backward()

    def step(self, lr_scale: float) -> float:
        """See Engine.step."""
        limit = self._max_grad_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self._parameters.values(), limit)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_scale
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(norm)

    def sum_over_workers(self, values: torch.Tensor) -> torch.Tensor:
        """See Engine.sum_over_workers."""
        return values

    def gather(self) -> dict[str, ParameterState]:
        """See Engine.gather."""
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
        """See Engine.restore."""
        for name, parameter in self._parameters.items():
            state = states[name]
            with torch.no_grad():
                parameter.copy_(state.weight)
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(num_steps)),
                "exp_avg": state.exp_avg.to(parameter.device),
                "exp_avg_sq": state.exp_avg_sq.to(parameter.device),
            }
