"""The ingress's client of replicas: it retries on another replica, within one deadline.

A request whose replica is lost before its client has seen a token is retried on another one. After
that the client gets an error event in its stream.
"""

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
from palo.serve.protocol.generate import GenerateRequest, ReplicaEvent

_LOG = logging.getLogger(__name__)
_RETRY_AFTER_S = 2.0
_MAX_ATTEMPTS = 4

T = TypeVar("T")
ReplicaCall = Callable[[GenerateRequest], Any]
"""Sends a request to a deployment; returns Ray Serve's stream of lists of events."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """The start of an attempt on another replica, which voids all earlier events."""


class ReplicaClient:
    """Sends requests to replicas, and retries those whose replica is lost.

    Args:
        calls: Call of each model's deployment, by name of the model.
        timeout_s: Seconds that one request may take, all attempts together.
    """

    def __init__(self, calls: Mapping[str, ReplicaCall], timeout_s: float) -> None:
        self._calls = calls
        self._timeout_s = timeout_s

    async def events(
        self, request: GenerateRequest, *, is_streamed: bool
    ) -> AsyncGenerator[ReplicaEvent | Attempt]:
        """Sends a request until a replica answers it; closing the generator ends the answer.

        Args:
            request: The request.
            is_streamed: Whether the client sees each delta at once, so that none can be voided.

        Yields:
            `Attempt` for each attempt, then the replica's events.

        Raises:
            APIError: If there is no answer.
        """
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        for number in range(1, _MAX_ATTEMPTS + 1):
            yield Attempt()
            num_events = 0
            try:
                async with aclosing(self._attempt(request, deadline_s)) as events:
                    async for event in events:
                        yield event
                        num_events += 1
                return
            except _LostError as lost:
                _LOG.warning("request %s lost its replica: %s", request.request_id, lost)
                # The first event only says that the replica has started.
                if (is_streamed and num_events > 1) or number == _MAX_ATTEMPTS:
                    raise _replica_lost() from lost

    async def _attempt(
        self, request: GenerateRequest, deadline_s: float
    ) -> AsyncGenerator[ReplicaEvent]:
        response = self._calls[request.model](request)
        deadline = Deadline(deadline_s)
        try:
            while True:
                try:
                    events = await deadline.wait(response.__anext__)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise self._timeout() from None
                except Exception as error:
                    raise _from_ray(error, request) from error
                for event in events:
                    if isinstance(event, APIError):
                        is_lost = event.code is APIErrorCode.REPLICA_LOST
                        raise _LostError(event.fact) if is_lost else event
                    yield event
        finally:
            deadline.close()
            response.cancel()

    def _timeout(self) -> APIError:
        return APIError(
            "the answer took too long",
            seen=f"{self._timeout_s:.0f} s",
            fix="Ask for fewer tokens, or again when there is less to do.",
            code=APIErrorCode.TIMEOUT,
        )


class Deadline:
    """One deadline for many waits, one wait at a time; a timer for each costs as much as the wait.

    Args:
        at_s: Time of the deadline on the clock of the running event loop.
    """

    def __init__(self, at_s: float) -> None:
        self._waiting: asyncio.Task[Any] | None = None
        self._over = asyncio.Event()
        self._timer = asyncio.get_running_loop().call_at(at_s, self._end)

    def close(self) -> None:
        """Cancels the timer."""
        self._timer.cancel()

    async def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Awaits something until the deadline.

        Args:
            begin: Returns the awaitable; not called after the deadline.

        Raises:
            TimeoutError: If it isn't done at the deadline.
        """
        task = asyncio.current_task()
        if self._over.is_set() or task is None:
            raise TimeoutError
        cancelled_before = task.cancelling()
        self._waiting = task
        try:
            return await begin()
        except asyncio.CancelledError:
            # A cancellation by others at the same time must not be undone.
            if self._over.is_set() and task.uncancel() <= cancelled_before:
                raise TimeoutError from None
            raise
        finally:
            self._waiting = None

    def _end(self) -> None:
        self._over.set()
        if self._waiting is not None:
            self._waiting.cancel()


class _LostError(Exception):
    """The replica is gone, and with it the answer that it had begun."""


def _from_ray(error: Exception, request: GenerateRequest) -> Exception:
    """Converts an error of Ray's."""
    if isinstance(error, BackPressureError):
        return APIError(
            "too many requests wait for this model",
            fix=f"Try again in {_RETRY_AFTER_S:.0f} s.",
            code=APIErrorCode.OVERLOADED,
            retry_after_s=_RETRY_AFTER_S,
        )
    if isinstance(error, RayTaskError):
        _LOG.error("request %s failed in its replica", request.request_id, exc_info=error)
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
