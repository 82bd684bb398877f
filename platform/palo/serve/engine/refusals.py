"""What an engine answers when it can't take a request or can't finish one."""

from palo.errors import PaloError, ResourceError


class EngineFullError(ResourceError):
    """The queue is full; the same request can be taken later.

    Args:
        num_waiting: Requests that wait.
        retry_after_s: Seconds after which another try is sensible.
    """

    def __init__(self, num_waiting: int, retry_after_s: float) -> None:
        super().__init__(
            "too many requests wait for this model",
            seen=f"{num_waiting} waiting",
            fix=f"Try again in {retry_after_s:.0f} s.",
        )
        self.num_waiting = num_waiting
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return EngineFullError, (self.num_waiting, self.retry_after_s)


class EngineFailedError(PaloError):
    """A step of the engine failed, and with it the requests that were in it."""


class EngineClosedError(PaloError):
    """The engine takes no more requests."""
