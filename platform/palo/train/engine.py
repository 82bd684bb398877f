"""What the loop needs from whatever holds the model: the seam between the loop and DeepSpeed."""

from typing import Any, Protocol

import torch

from palo.checkpoint.trainable import ParameterState


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

        Args:
            lr_scale: Share of each group's peak learning rate.

        Returns:
            The global L2 norm of the gradients before clipping.
        """

    def sum_over_workers(self, values: torch.Tensor) -> torch.Tensor:
        """Returns the elementwise sum of float64 values over all workers."""

    def gather(self) -> dict[str, ParameterState]:
        """Collects every trainable parameter on rank 0 (CPU, float32); other ranks get nothing.

        All workers must call it together.
        """

    def restore(self, states: dict[str, ParameterState], num_steps: int) -> None:
        """Takes over gathered states after `num_steps` optimizer steps, for any world size."""
