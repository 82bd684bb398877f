"""One deadline for many waits: a timer for each of them costs as much as what is waited for."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RequestCancelledError,
)

from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.generate import GenerateRequest, Item

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


_LOG = logging.getLogger(__name__)
_RETRY_AFTER_S = 2.0
_NUM_TRIES = 4

Call = Callable[[GenerateRequest], Any]
"""Sends a request to a deployment; returns Ray Serve's stream of what comes back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """Says that a request starts anew, on the replica that comes now; what came before is void."""


class ReplicaClient:
    """Asks replicas for the ingress.

    Args:
        calls: How each model's deployment is reached, by name of the model.
        timeout_s: Seconds that one request may take altogether.
    """

    def __init__(self, calls: Mapping[str, Call], timeout_s: float) -> None:
        self._calls = calls
        self._timeout_s = timeout_s

    async def items(self, ask: GenerateRequest, *, keeps: bool) -> AsyncGenerator[Item | Attempt]:
        """Asks until a replica answers to the end; closing the generator ends the answer.

        Args:
            ask: What is wanted.
            keeps: Whether the client sees pieces at once, so that none can be taken back.

        Yields:
            `Attempt` for each try, then what a replica says.

        Raises:
            Refusal: If there is no answer.
        """
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        for number in range(1, _NUM_TRIES + 1):
            yield Attempt()
            num_seen = 0
            try:
                async with aclosing(self._one_try(ask, deadline_s)) as came:
                    async for item in came:
                        yield item
                        num_seen += 1
                return
            except _LostError as lost:
                _LOG.warning("request %s lost its replica: %s", ask.request_id, lost)
                # The first thing that a replica says is only that it has begun.
                if (keeps and num_seen > 1) or number == _NUM_TRIES:
                    raise _replica_lost() from lost

    async def _one_try(self, ask: GenerateRequest, deadline_s: float) -> AsyncGenerator[Item]:
        response = self._calls[ask.model](ask)
        deadline = Deadline(deadline_s)
        try:
            while True:
                try:
                    items = await deadline.wait(response.__anext__)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise self._too_slow() from None
                except Exception as error:
                    raise _reason(error, ask) from error
                for item in items:
                    if isinstance(item, APIError):
                        raise _LostError(item.fact) if _is_lost(item) else item
                    yield item
        finally:
            deadline.close()
            response.cancel()

    def _too_slow(self) -> APIError:
        return APIError(
            "the answer took too long",
            seen=f"{self._timeout_s:.0f} s",
            fix="Ask for fewer tokens, or again when there is less to do.",
            code=APIErrorCode.TIMEOUT,
        )


class _LostError(Exception):
    """The replica is gone, and with it what it had begun."""


def _is_lost(refusal: APIError) -> bool:
    return refusal.code is APIErrorCode.REPLICA_LOST


def _reason(error: Exception, ask: GenerateRequest) -> Exception:
    """Returns what an error of Ray's means for the request."""
    if isinstance(error, BackPressureError):
        return APIError(
            "too many requests wait for this model",
            fix=f"Try again in {_RETRY_AFTER_S:.0f} s.",
            code=APIErrorCode.OVERLOADED,
            retry_after_s=_RETRY_AFTER_S,
        )
    if isinstance(error, RayTaskError):
        _LOG.error("request %s failed in its replica", ask.request_id, exc_info=error)
        return APIError("the model failed", fix="Ask again.", code=APIErrorCode.INTERNAL)
    if isinstance(error, RayError | DeploymentUnavailableError | RequestCancelledError):
        return _LostError(type(error).__name__)
    return error


def _replica_lost() -> APIError:
    return APIError(
        "the replica that answered was lost",
        fix="Ask again.",
        code=APIErrorCode.REPLICA_LOST,
        retry_after_s=_RETRY_AFTER_S,
    )
