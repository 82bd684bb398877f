"""Outputs of the engine on their way to one client, several of them in one message."""

import asyncio
from collections.abc import Callable

from palo.inference.request import Output

# Processor time of a message in the replica, the ingress and Ray Serve's proxy together.
_MESSAGE_S = 0.006
# What part of the machine messages may take.
_SHARE = 1 / 12
_LONGEST_S = 0.25


def message_pause_s(num_streams: int, num_cpus: int) -> float:
    """Returns the seconds between two messages of a stream.

    With few streams each token has a message of its own. With many the messages would take the
    engine's processor time, and tokens that come within the pause travel together.

    Args:
        num_streams: Streams of the replica.
        num_cpus: Cores of the machine.
    """
    return min(_LONGEST_S, num_streams * _MESSAGE_S / (_SHARE * num_cpus))


class Outbox:
    """Gathers outputs for the next message; made on the event loop that takes them.

    The first output goes at once, and so does what ends a choice.

    Args:
        pause_s: Returns the seconds between two messages.
    """

    def __init__(self, pause_s: Callable[[], float]) -> None:
        self._pause_s = pause_s
        self._loop = asyncio.get_running_loop()
        self._outputs: list[tuple[int, Output]] = []
        self._is_due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._next_s = self._loop.time()

    def put(self, choice: int, output: Output) -> None:
        """Adds an output; called on the engine's thread.

        Args:
            choice: Index of its choice.
            output: The output.
        """
        self._loop.call_soon_threadsafe(self._add, choice, output)

    async def take(self) -> list[tuple[int, Output]]:
        """Waits until a message is due, and returns its outputs with their choices."""
        await self._is_due.wait()
        self._is_due.clear()
        self._next_s = self._loop.time() + self._pause_s()
        outputs, self._outputs = self._outputs, []
        return outputs

    def close(self) -> None:
        """Cancels the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _add(self, choice: int, output: Output) -> None:
        self._outputs.append((choice, output))
        if output.finish is not None or self._loop.time() >= self._next_s:
            self._end_pause()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._next_s, self._end_pause)

    def _end_pause(self) -> None:
        self.close()
        self._is_due.set()
