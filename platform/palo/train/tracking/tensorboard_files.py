"""TensorBoard's event files, written with parts of tensorboardX: TensorBoard isn't needed."""

import time
from collections.abc import Mapping
from pathlib import Path

from palo.storage import ensure_folder, wrap_os_errors

_FLUSH_S = 10.0


class TensorBoardRun:
    """A TrackerRun in a folder that `tensorboard --logdir` reads.

    tensorboardX's own writer has a thread, which a full disk ends without a word: those who wrote
    then waited for it without end. This one writes in the thread that calls it.

    Args:
        folder: The folder.
        start_step: Steps that are done: what came after them in earlier files is hidden.

    Raises:
        StorageError: If it can't be written; so do all methods.
    """

    def __init__(self, folder: Path, start_step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._folder = ensure_folder(folder)
        self._flushed_at = time.monotonic()
        with wrap_os_errors("write", folder):
            # The name holds the second alone, in which a stage may end and start again.
            self._writer = EventsWriter(str(folder / "events"), f".from-{start_step}")
            if start_step:
                hides = SessionLog(status=SessionLog.START)
                step = start_step + 1
                self._writer.write_event(Event(wall_time=time.time(), step=step, session_log=hides))

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See TrackerRun.log.

        Args:
            values: By name.
            step: Steps that are done.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        summary = Summary(
            value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        )
        with wrap_os_errors("write", self._folder):
            self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))
            if time.monotonic() - self._flushed_at >= _FLUSH_S:
                self._flushed_at = time.monotonic()
                self._writer.flush()

    def close(self) -> None:
        """See TrackerRun.close."""
        with wrap_os_errors("write", self._folder):
            self._writer.close()
