"""What a run in a tracker is."""

from collections.abc import Mapping
from typing import Protocol


class TrackerRun(Protocol):
    """A run in a tracker."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Takes values.

        Args:
            values: By name.
            step: Steps that are done.
        """

    def close(self) -> None:
        """Ends the run there; what is still on its way is sent first."""
