"""TensorBoard's event files, written by tensorboardX: TensorBoard itself is not needed."""

from collections.abc import Mapping
from pathlib import Path

_FLUSH_S = 10


class TensorBoardRun:
    """A TrackerRun in a folder that `tensorboard --logdir` reads.

    Args:
        folder: The folder.
        start_step: Steps that are done: what came after them in earlier files is hidden.
    """

    def __init__(self, folder: Path, start_step: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(
            str(folder),
            purge_step=start_step + 1 if start_step else None,
            flush_secs=_FLUSH_S,
            # The name holds the second alone, in which a stage may end and start again.
            filename_suffix=f".from-{start_step}",
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See TrackerRun.log.

        Args:
            values: By name.
            step: Steps that are done.
        """
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """See TrackerRun.close."""
        self._writer.close()
