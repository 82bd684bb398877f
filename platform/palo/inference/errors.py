"""What an engine answers when it can't take a request or can't finish one."""

from palo.errors import PaloError, ResourceError


class EngineFullError(ResourceError):
    """The queue is full; the same request can be taken later.

    Args:
        fact: See `PaloError`.
        seen: See `PaloError`.
        fix: See `PaloError`.
        retry_after_s: Seconds after which another try is sensible.
    """

    def __init__(
        self, fact: str, *, seen: object = "", fix: str = "", retry_after_s: float = 1.0
    ) -> None:
        super().__init__(fact, seen=seen, fix=fix)
        self.retry_after_s = retry_after_s


def queue_full(num_waiting: int, retry_after_s: float) -> EngineFullError:
    """Returns the error for a request that finds so many others waiting."""
    return EngineFullError(
        "too many requests wait for this model",
        seen=f"{num_waiting} waiting",
        fix=f"Try again in {retry_after_s:.0f} s.",
        retry_after_s=retry_after_s,
    )


class EngineFailedError(PaloError):
    """A step of the engine failed, and with it the requests that were in it."""


class EngineClosedError(PaloError):
    """The engine takes no more requests."""
