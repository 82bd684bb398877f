"""The engine on DeepSpeed ZeRO, with states that any world size can restore."""

import importlib
import math
from datetime import timedelta
from typing import Any

import deepspeed
import torch
from deepspeed.ops.op_builder.cpu.comm import ShareMemCommBuilder
from deepspeed.runtime import compiler
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
)
from torch import distributed
from torch.distributed import distributed_c10d

from palo.checkpoint.trainable import ParameterState
from palo.train.deepspeed_config import deepspeed_config
from palo.train.engine import parameter_groups, trainable_parameters
from palo.train.host_copy import host_copy
from palo.train.stages import StageConfig
from palo.train.whole_parameters import WholeParameters

_MOMENTS = ("exp_avg", "exp_avg_sq")


def join_workers(backend: str, stall_s: float) -> None:
    """Has DeepSpeed take over the process group that Ray has made.

    Args:
        backend: "nccl" or "gloo".
        stall_s: How long a worker waits for the others, in seconds.
    """
    # DeepSpeed computes in groups of its own, which it makes with torch's defaults: half an hour
    # for gloo and ten minutes for NCCL, whatever Ray's group was made with.
    for name in ("default_pg_timeout", "default_pg_nccl_timeout"):
        setattr(distributed_c10d, name, timedelta(seconds=stall_s))
    # A kernel for tensor-parallel inference, which training never calls. DeepSpeed would compile
    # it for a minute on each machine, with a compiler that the machine may lack.
    deepspeed.ops.__compatible_ops__[ShareMemCommBuilder.NAME] = False
    _load_muon()
    deepspeed.init_distributed(dist_backend=backend)


def _load_muon() -> None:
    """Loads an optimizer that is never used, without torch's compiler, which takes a second.

    DeepSpeed compares each optimizer's class with it, and its functions ask to be compiled.
    """
    compile_function = compiler.compile
    compiler.compile = lambda: lambda function: function
    try:
        importlib.import_module("deepspeed.runtime.zero.muon.original_muon")
    finally:
        compiler.compile = compile_function


class ZeroEngine:
    """A TrainEngine on DeepSpeed ZeRO stage 1, 2 or 3.

    Args:
        model: The model, its trainable parameters already chosen. The process group must exist.
        stage: The stage's settings.
    """

    def __init__(self, model: Any, stage: StageConfig) -> None:  # noqa: ANN401 - PEFT or bare model
        self.rank = distributed.get_rank()
        self.world_size = distributed.get_world_size()
        self._stage = stage.zero.level
        groups = parameter_groups(trainable_parameters(model).items(), stage.optimizer)
        self.module, *_ = deepspeed.initialize(
            model=model,
            optimizer=_optimizer(groups, stage),
            config=deepspeed_config(stage),
        )
        self.device = self.module.device
        self._parameters = trainable_parameters(self.module.module)
        self._offload = stage.zero.offload
        # DeepSpeed links the moments of all groups after the first group's first step, when those
        # of the other groups don't exist yet: without this they could never be gathered.
        self._create_optimizer_state(num_steps=0)
        self._whole: WholeParameters | None = None
        if self._stage == 3:
            self._whole = WholeParameters(self.module.optimizer, stage.zero.bucket_elements)

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        """See TrainEngine.backward.

        Args:
            loss: Scalar.
            last: Whether this is the step's last micro-batch.
        """
        self.module.set_gradient_accumulation_boundary(last)
        # DeepSpeed averages gradients over the workers; the loop's losses are parts of a sum.
        self.module.backward(loss * self.world_size)

    def step(self, lr_scale: float) -> float:
        """See TrainEngine.step.

        Args:
            lr_scale: Share of each group's peak learning rate.
        """
        for group in self.module.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_scale
        self.module.step()
        if self._whole is not None:
            self._whole.update()
        return float(self.module.get_global_grad_norm())

    def discard(self) -> float:
        """See TrainEngine.discard.

        DeepSpeed clears what it holds of a step by itself when the gradients' norm is not finite:
        it is made to see such a norm.
        """
        zero = self.module.optimizer
        invalid = torch.full((), math.nan, device=self.device)
        if self._stage == 3:
            zero._get_norm_groups = lambda: [invalid]
        else:
            zero.scaled_global_norm = lambda: invalid
        try:
            self.module.step()
        finally:  # the methods of its class are found again
            del zero.__dict__["_get_norm_groups" if self._stage == 3 else "scaled_global_norm"]
        return math.nan

    def sum_over_workers(self, values: torch.Tensor) -> torch.Tensor:
        """See TrainEngine.sum_over_workers.

        Args:
            values: Values of this worker, float64.
        """
        shared = values.to(self.device)
        distributed.all_reduce(shared)
        return shared.cpu()

    def gather(self) -> dict[str, ParameterState]:
        """See TrainEngine.gather."""
        states = {}
        for name, parameter in self._parameters.items():
            parts = [safe_get_full_fp32_param(parameter)]
            parts += [safe_get_full_optimizer_state(parameter, moment) for moment in _MOMENTS]
            if self.rank == 0:
                states[name] = ParameterState(*map(host_copy, parts))
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # until the copies are there
        return states

    def restore(self, states: dict[str, ParameterState], num_steps: int) -> None:
        """See TrainEngine.restore.

        Args:
            states: State of every trainable parameter, by canonical name.
            num_steps: Optimizer steps that they have seen.
        """
        self._create_optimizer_state(num_steps)
        for name, parameter in self._parameters.items():
            state = states[name]
            safe_set_full_fp32_param(parameter, state.weight.to(self.device))
            for moment in _MOMENTS:
                value = getattr(state, moment).to(self.device)
                safe_set_full_optimizer_state(parameter, value, moment)
            # The master weight is set; the copy that computes (bfloat16, partitioned) is another.
            with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0):
                if self._stage < 3 or self.rank == 0:
                    parameter.data.copy_(state.weight)

    def _create_optimizer_state(self, num_steps: int) -> None:
        """Makes the moments that AdamW would only create at its first step."""
        zero = self.module.optimizer
        sharded = self._stage == 3
        flats = (
            zero.fp32_partitioned_groups_flat if sharded else zero.single_partition_of_fp32_groups
        )
        for flat in flats:
            zero.optimizer.state[flat] = {
                "step": num_steps if self._offload else torch.tensor(float(num_steps)),
                "exp_avg": torch.zeros_like(flat),
                "exp_avg_sq": torch.zeros_like(flat),
            }
        if not sharded:
            zero._hp_optimizer_states_linked = False
            zero._lazy_init_hp_params_optimizer_state()


def _optimizer(groups: list[dict[str, Any]], stage: StageConfig) -> torch.optim.Optimizer:
    if stage.zero.offload:
        from deepspeed.ops.adam import DeepSpeedCPUAdam

        offloaded: torch.optim.Optimizer = DeepSpeedCPUAdam(
            groups, betas=stage.optimizer.betas, eps=stage.optimizer.eps, adamw_mode=True
        )
        return offloaded
    return torch.optim.AdamW(groups, betas=stage.optimizer.betas, eps=stage.optimizer.eps)
