"""The built-in engine: a scheduler on a thread of its own."""

import logging
import threading
from collections.abc import AsyncGenerator

from palo.inference.engine import (
    EngineClosedError,
    EngineFailedError,
    EngineStats,
    Listener,
    queue_full_error,
    stream_outputs,
)
from palo.inference.request import Output, Request
from palo.inference.scheduler import Scheduler
from palo.inference.sequence import SequenceState

_LOG = logging.getLogger(__name__)


class LocalEngine:
    """Runs a scheduler on a thread of its own.

    Args:
        scheduler: The scheduler; no other thread may step it.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._changed = threading.Condition()
        self._submitted: list[SequenceState] = []
        self._cancelled: list[int] = []
        self._listeners: dict[int, Listener] = {}
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="palo-engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether its thread still steps the scheduler."""
        return self._thread.is_alive() and not self._is_closed

    def submit(self, request: Request, listener: Listener) -> int:
        """See InferenceEngine."""
        sequence = self._scheduler.prepare(request)
        with self._changed:
            if self._is_closed:
                raise EngineClosedError(
                    "this model takes no more requests", fix="Ask another replica of it."
                )
            # Requests that get a free slot at the next step don't count as waiting.
            num_waiting = (
                len(self._submitted) + self._scheduler.num_waiting - self._scheduler.num_free
            )
            if num_waiting >= self._scheduler.settings.max_waiting:
                raise queue_full_error(num_waiting, self._scheduler.expected_wait_s(num_waiting))
            self._listeners[sequence.number] = listener
            self._submitted.append(sequence)
            self._changed.notify()
        return sequence.number

    def cancel(self, number: int) -> None:
        """See InferenceEngine."""
        with self._changed:
            if number in self._listeners:
                self._cancelled.append(number)
                self._changed.notify()

    def stream(self, request: Request) -> AsyncGenerator[Output]:
        """See InferenceEngine."""
        return stream_outputs(self, request)

    def stats(self) -> EngineStats:
        """See InferenceEngine."""
        return self._scheduler.stats()

    def close(self) -> None:
        """See InferenceEngine."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while self._apply_changes():
            try:
                outputs = self._scheduler.step()
            except Exception as error:
                _LOG.exception("a step of the engine failed")
                self._fail_running(error)
                continue
            for sequence, output in outputs:
                self._notify(sequence.number, output)
        for number in list(self._listeners):
            self._cancel(number)

    def _apply_changes(self) -> bool:
        """Adds and cancels requests; waits while there is no work. False ends the loop."""
        with self._changed:
            while not (
                self._submitted or self._cancelled or self._is_closed or self._scheduler.has_work
            ):
                self._changed.wait()
            submitted, self._submitted = self._submitted, []
            cancelled, self._cancelled = self._cancelled, []
            for sequence in submitted:
                self._scheduler.add(sequence)
            is_closed = self._is_closed
        for number in cancelled:
            self._cancel(number)
        return not is_closed

    def _cancel(self, number: int) -> None:
        ended = self._scheduler.cancel(number)
        if ended is not None:
            self._notify(number, ended[1])

    def _fail_running(self, error: Exception) -> None:
        """Ends the running sequences with an error; waiting requests stay in the queue."""
        for sequence in self._scheduler.abort_running():
            failed = EngineFailedError(
                "the model failed while it answered",
                seen=type(error).__name__,
                fix="Ask again; if it fails again, see the server's log.",
            )
            self._notify(sequence.number, Output(finish="error", error=failed))

    def _notify(self, number: int, output: Output) -> None:
        with self._changed:
            listener = self._listeners.get(number)
            if output.finish:
                self._listeners.pop(number, None)
        if listener is None:
            return
        try:
            listener(output)
        except Exception:
            # The caller is gone, for example with its event loop.
            _LOG.warning("a listener failed; its request is cancelled", exc_info=True)
            self.cancel(number)
