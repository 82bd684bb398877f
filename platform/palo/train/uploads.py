"""A thread that sends files to a store beside training, and tries again while the store is away."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from palo.errors import StorageError
from palo.progress import duration

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0


@dataclass(slots=True)
class _Parcel:
    """What is to be sent, and from when on."""

    send: Callable[[], None]
    not_before: float


class Uploads:
    """Sends what it is given, one after the other.

    Of each name only the newest parcel waits, so that the backlog has a bound however long the
    store is away. A parcel that the store refuses is tried again, each time later; after
    `patience_s` without success the error is raised to whoever uses it next.

    Args:
        patience_s: How long a store may be away, in seconds.
        say: Gets a line when the store goes away, and when it is back.
        first_wait_s: Wait before a parcel is tried again; it doubles each time.
    """

    def __init__(
        self,
        patience_s: float,
        say: Callable[[str], None],
        first_wait_s: float | None = None,
    ) -> None:
        self._patience_s = patience_s
        self._say = say
        self._first_wait_s = _FIRST_WAIT_S if first_wait_s is None else first_wait_s
        self._waiting: dict[str, _Parcel] = {}
        self._changed = threading.Condition()
        self._sending = False
        self._hurried = False
        self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="palo-uploads", daemon=True)
        self._thread.start()

    def put(self, name: str, send: Callable[[], None], delay_s: float = 0.0) -> None:
        """Takes a parcel; one of the same name that still waits is replaced.

        Args:
            name: What it is.
            send: Sends it; called in its thread, perhaps several times.
            delay_s: How long it may wait for a newer one, in seconds.

        Raises:
            StorageError: If an earlier parcel couldn't be sent for too long.
        """
        with self._changed:
            self._raise_error()
            known = self._waiting.get(name)
            due = time.monotonic() + delay_s
            self._waiting[name] = _Parcel(send, min(due, known.not_before) if known else due)
            self._changed.notify_all()

    def wait(self) -> None:
        """Returns when everything is sent.

        Raises:
            StorageError: If something couldn't be sent for too long.
        """
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            while (self._waiting or self._sending) and self._error is None:
                self._changed.wait()
            self._hurried = False
            self._raise_error()

    def close(self) -> None:
        """Ends the thread; what still waits stays unsent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (parcel := self._next()) is not None:
            try:
                self._send(parcel)
            except Exception as error:  # handed to whoever uses it
                with self._changed:
                    self._error = error
            with self._changed:
                self._sending = False
                self._changed.notify_all()
                if self._error is not None:
                    return

    def _next(self) -> _Parcel | None:
        """Takes the parcel that has waited longest and may be sent; None at the end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for name, parcel in self._waiting.items():
                    if self._hurried or parcel.not_before <= now:
                        self._sending = True
                        return self._waiting.pop(name)
                dues = [parcel.not_before for parcel in self._waiting.values()]
                self._changed.wait(min(dues) - now if dues else None)
            return None

    def _send(self, parcel: _Parcel) -> None:
        """Tries until it works; says so when the store went away and is back.

        Raises:
            StorageError: If the store is away for too long.
        """
        began = time.monotonic()
        wait_s = self._first_wait_s
        told = False
        while True:
            try:
                parcel.send()
            except StorageError as error:
                away_s = time.monotonic() - began
                if away_s >= self._patience_s:
                    raise StorageError(
                        f"the run's store has been away for {duration(away_s)}",
                        seen=f"{error.fact}: {error.seen}" if error.seen else error.fact,
                        fix="Run the same command again when it is back: what it holds is whole.",
                    ) from error
                if not told:
                    self._say(f"the run's store is away ({error.fact}); training goes on")
                    told = True
            else:
                if told:
                    self._say(f"the run's store is back after {duration(time.monotonic() - began)}")
                return
            with self._changed:
                if self._closed:
                    return
                left_s = began + self._patience_s - time.monotonic()
                self._changed.wait(max(0.0, min(wait_s, left_s)))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
