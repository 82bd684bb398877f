"""Copies of a worker's tensors in main memory, for checkpoints."""

import torch


def host_copy(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a copy in main memory, float32.

    From a GPU it goes into pinned memory, several times as fast as into any other, and is there
    only once the device has been waited for: many are begun, and waited for together.

    Args:
        tensor: Floats on any device.
    """
    if tensor.device.type != "cuda":
        return tensor.float().cpu().clone()
    host = torch.empty(tensor.shape, dtype=torch.float32, pin_memory=True)
    return host.copy_(tensor.float(), non_blocking=True)
