"""The machines that a plan is for; light, so that a wrong command line is told at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palo.train.planner.gpus import GPUS, USUAL


@dataclass(frozen=True, kw_only=True, slots=True)
class Machines:
    """The machines that a plan is for.

    Attributes:
        gpu: Kind of GPU of stages that need one.
        price: US dollars a GPU-hour; None for the list price of its kind.
        measured: Run or stage folder whose metrics say how fast this model trains there; None for
            the speed of the paper's code.
    """

    gpu: str = USUAL
    price: float | None = None
    measured: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.gpu not in GPUS:
            yield f"gpu is {self.gpu!r}, not one of {', '.join(GPUS)}"
        if self.price is not None and self.price < 0:
            yield f"price is {self.price} but can't be negative"
