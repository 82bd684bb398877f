"""One deadline for many waits: a timer for each of them costs as much as what is waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Deadline:
    """Ends waits that take too long altogether; one wait at a time, of any task.

    Args:
        at_s: When, on the clock of the running event loop.
    """

    def __init__(self, at_s: float) -> None:
        self._waiting: asyncio.Task[Any] | None = None
        self._over = asyncio.Event()
        self._timer = asyncio.get_running_loop().call_at(at_s, self._end)

    def close(self) -> None:
        """Ends nothing any more."""
        self._timer.cancel()

    async def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Waits for something.

        Args:
            begin: Returns what is waited for; not called once the deadline is over.

        Raises:
            TimeoutError: If it isn't there at the deadline.
        """
        task = asyncio.current_task()
        if self._over.is_set() or task is None:
            raise TimeoutError
        cancelled_before = task.cancelling()
        self._waiting = task
        try:
            return await begin()
        except asyncio.CancelledError:
            # Others may cancel the task at the same time: theirs is not taken back.
            if self._over.is_set() and task.uncancel() <= cancelled_before:
                raise TimeoutError from None
            raise
        finally:
            self._waiting = None

    def _end(self) -> None:
        self._over.set()
        if self._waiting is not None:
            self._waiting.cancel()
