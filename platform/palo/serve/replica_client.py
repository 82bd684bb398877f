"""The ingress's client of replicas: it goes on with another replica, within one deadline.

A request whose replica is lost is sent to another one, with the tokens that have come: the answer
goes on where it was, with the same random numbers if it has a seed. While no replica runs, it waits
for one that starts, but not for long.
"""

import asyncio
import dataclasses
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol, TypeVar

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RequestCancelledError,
)

from palo.api_errors import APIError, APIErrorCode
from palo.retries import Backoff
from palo.serve.protocol.generate import (
    Delta,
    GenerateRequest,
    Queued,
    ReplicaEvent,
    Started,
)

_LOG = logging.getLogger(__name__)
_RETRY_AFTER_S = 2.0
_RESTART_RETRY_AFTER_S = 10.0
_LOOK_EVERY_S = 1.0
# Ray Serve needs a moment to notice that a replica is lost.
_BACKOFF = Backoff(attempts=5, first_wait_s=0.1)

T = TypeVar("T")
ReplicaCall = Callable[[GenerateRequest], Any]
"""Sends a request to a deployment; returns Ray Serve's stream of lists of events."""


class ReplicaWatch(Protocol):
    """Knows whether a model has replicas."""

    async def is_served(self, model: str) -> bool:
        """Whether a replica of it runs, busy or not.

        Args:
            model: Name of the model.
        """


class ReplicaClient:
    """Sends requests to replicas; where one is lost, another one continues its answer.

    Args:
        calls: Call of each model's deployment, by name of the model.
        timeout_s: Seconds that one request may take, all attempts together.
        watch: Knows whether replicas run; None for a client that waits until its timeout.
        restart_wait_s: Seconds that a request waits while no replica of its model runs.
    """

    def __init__(
        self,
        calls: Mapping[str, ReplicaCall],
        timeout_s: float,
        *,
        watch: ReplicaWatch | None = None,
        restart_wait_s: float = math.inf,
    ) -> None:
        self._calls = calls
        self._timeout_s = timeout_s
        self._watch = watch
        self._restart_wait_s = restart_wait_s

    async def events(self, request: GenerateRequest) -> AsyncGenerator[ReplicaEvent | Queued]:
        """Sends a request until it is answered; closing the generator ends the answer.

        Args:
            request: The request.

        Yields:
            The replica's events, `Started` again where another replica continues; and `Queued`
            once a second while the request waits for a replica.

        Raises:
            APIError: If there is no answer, or it can't be continued.
        """
        deadline = Deadline(asyncio.get_running_loop().time() + self._timeout_s)
        answer = BegunAnswer(request)
        try:
            for wait_s in _BACKOFF.waits():
                await deadline.wait(partial(asyncio.sleep, wait_s))
                try:
                    async with aclosing(self._attempt(answer.rest(), deadline)) as events:
                        async for event in events:
                            answer.add(event)
                            yield event
                    return
                except _LostError as lost:
                    _LOG.warning("request %s lost its replica: %s", request.request_id, lost)
                    if answer.is_complete:
                        return
                    cause = lost
            raise _replica_lost() from cause
        except TimeoutError:
            raise self._timeout() from None
        finally:
            deadline.close()

    async def _attempt(
        self, request: GenerateRequest, deadline: "Deadline"
    ) -> AsyncGenerator[ReplicaEvent | Queued]:
        response = self._calls[request.model](request)
        first = asyncio.ensure_future(_next_events(response, request))
        try:
            async with aclosing(self._silences(first, request.model, deadline)) as silences:
                async for silence in silences:
                    yield silence
            events = first.result()
            while events is not None:
                for event in events:
                    if isinstance(event, APIError):
                        is_lost = event.code is APIErrorCode.REPLICA_LOST
                        raise _LostError(event.fact) if is_lost else event
                    yield event
                events = await deadline.wait(partial(_next_events, response, request))
        finally:
            first.cancel()
            response.cancel()

    async def _silences(
        self, first: "asyncio.Future[Any]", model: str, deadline: "Deadline"
    ) -> AsyncGenerator[Queued]:
        """Yields for each second without a first event, until it is there.

        Raises:
            APIError: If no replica has run for too long.
        """
        loop = asyncio.get_running_loop()
        served_s = loop.time()
        while True:
            await deadline.wait(partial(asyncio.wait, {first}, timeout=_LOOK_EVERY_S))
            if first.done():
                return
            if self._watch is None or await deadline.wait(partial(self._watch.is_served, model)):
                served_s = loop.time()
                yield Queued()
            elif loop.time() - served_s >= self._restart_wait_s:
                raise _no_replica(model)

    def _timeout(self) -> APIError:
        return APIError(
            "the answer took too long",
            seen=f"{self._timeout_s:.0f} s",
            fix="Ask for fewer tokens, or again when there is less to do.",
            code=APIErrorCode.TIMEOUT,
        )


class BegunAnswer:
    """What a replica has sent of an answer, so that another one can continue it.

    Args:
        request: The request.
    """

    def __init__(self, request: GenerateRequest) -> None:
        self._request = request
        self._ids: list[list[int]] = [[] for _ in range(request.num_choices)]
        self._is_finished = [False] * request.num_choices
        self._version = ""

    @property
    def is_complete(self) -> bool:
        """Whether all choices are finished."""
        return all(self._is_finished)

    def add(self, event: ReplicaEvent | Queued) -> None:
        """Adds an event.

        Args:
            event: Any event of a replica.
        """
        if isinstance(event, Started):
            self._version = event.version
        elif isinstance(event, Delta):
            self._ids[event.choice] += event.ids
            self._is_finished[event.choice] |= event.finish is not None

    def rest(self) -> GenerateRequest:
        """Returns a request for what is missing: all of it, if there is no token yet."""
        if not any(self._ids) and not any(self._is_finished):
            return self._request
        begun = tuple(
            None if is_finished else tuple(ids)
            for ids, is_finished in zip(self._ids, self._is_finished, strict=True)
        )
        return dataclasses.replace(self._request, begun=begun, version=self._version)


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


async def _next_events(
    response: Any,  # noqa: ANN401 - a class of Ray Serve's
    request: GenerateRequest,
) -> list[ReplicaEvent] | None:
    """Returns the next events of an answer; None at its end."""
    try:
        events: list[ReplicaEvent] = await response.__anext__()
    except StopAsyncIteration:
        return None
    except Exception as error:
        raise _from_ray(error, request) from error
    return events


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


def _no_replica(model: str) -> APIError:
    return APIError(
        "no replica of this model runs; one is being started",
        seen=model,
        fix=f"Ask again in {_RESTART_RETRY_AFTER_S:.0f} s.",
        code=APIErrorCode.REPLICA_LOST,
        retry_after_s=_RESTART_RETRY_AFTER_S,
    )
