"""Parameters that every worker keeps whole under ZeRO-3, from one step to the next.

DeepSpeed lets go of them all with each step, the frozen ones too. It then gathers those that learn
one by one, and the others in the next forward pass.
"""

from collections.abc import Iterator
from typing import Any

import torch
from deepspeed.runtime.zero.partition_parameters import ZeroParamStatus
from torch import distributed, nn


class WholeParameters:
    """Keeps them in place; those that learn are brought up to date by one collective after a step.

    Args:
        zero: DeepSpeed's optimizer of stage 3. Its way of letting go is replaced by this one.
        bucket_elements: Elements a collective operation, over all workers.
    """

    def __init__(self, zero: Any, bucket_elements: int) -> None:  # noqa: ANN401 - has no types
        self._offload = zero.parameter_offload
        parameters = list(zero.module.parameters())
        self._whole = [one for one in parameters if one.ds_persist]
        self._divided = _Divided([one for one in parameters if not one.ds_persist])
        self._buckets = list(_buckets(self._whole, bucket_elements))
        zero.persistent_parameters = []
        zero._partition_all_parameters = self._let_go_of_the_others

    def update(self) -> None:
        """Takes the step's new values from all workers, which must call it together."""
        for bucket in self._buckets:
            # Not yet gathered again: the next forward pass does it, with the new values.
            present = [p for p in bucket if p.ds_status is ZeroParamStatus.AVAILABLE]
            if present:
                _update(present)

    def _let_go_of_the_others(self) -> None:
        self._offload.get_param_coordinator().release_and_reset_all(self._divided)
        for parameter in self._whole:
            parameter.ds_active_sub_modules.clear()


class _Divided:
    """What DeepSpeed asks of a module whose parameters it lets go of."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._named = [("", parameter) for parameter in parameters]

    def named_parameters(self, *, recurse: bool) -> Iterator[tuple[str, nn.Parameter]]:
        del recurse
        return iter(self._named)

    def ds_external_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        return iter(())


def _buckets(whole: list[Any], most_elements: int) -> Iterator[list[Any]]:
    """Lays parameters that learn together, as many as one collective operation takes."""
    bucket: list[Any] = []
    elements = 0
    for parameter in whole:
        if not parameter.requires_grad:
            continue
        if bucket and elements + parameter.ds_numel > most_elements:
            yield bucket
            bucket, elements = [], 0
        bucket.append(parameter)
        elements += parameter.ds_numel
    if bucket:
        yield bucket


@torch.no_grad()
def _update(parameters: list[Any]) -> None:
    # With offloading the workers' own parts lie in CPU memory.
    own = torch.cat([p.ds_tensor.to(p.device, non_blocking=True).view(-1) for p in parameters])
    flat = own.new_empty(distributed.get_world_size() * len(own))
    distributed.all_gather_single(flat, own)
    every = flat.view(-1, len(own))
    start = 0
    for parameter in parameters:
        end = start + parameter.ds_tensor.ds_numel
        # The last worker's part is padded to the length of the others.
        parts = every[:, start:end].reshape(-1)[: parameter.ds_numel]
        parameter.data.copy_(parts.view(parameter.ds_shape))
        start = end
