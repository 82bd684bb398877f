"""Sends chat requests to one server: several at a time, with retries, within a budget."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from palo.endpoint.connections import connection_settings
from palo.endpoint.credentials import authorization, without_key
from palo.endpoint.dialect import Dialect
from palo.endpoint.limits import Budget, RequestPacer, Reservation, Spending
from palo.endpoint.replies import (
    IDENTITY,
    MAX_REPLY_BYTES,
    Failure,
    Reply,
    ReplyBody,
    failure_of,
    read_reply,
)
from palo.endpoint.settings import EndpointSettings
from palo.endpoint.stops import stop_error
from palo.endpoint.streak import FailureStreak
from palo.errors import PaloError, ResourceError
from palo.retries import Backoff, retry_after_s

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_SHOWN = 200
# A server that is up accepts a connection at once; its answer may take minutes.
_CONNECT_S = 10.0
# For each request httpx compares all connections of a client with one another.
_CONNECTIONS_A_CLIENT = 8
_TRANSIENT = ("timeout", "connection", "busy", "server_error", "bad_response")
# Statuses of requests whose form may be wrong though the error doesn't say where.
_UNCLEAR = (400, 422, 501)
# Some servers report a form that they don't take as an error of their own.
_OF_FORM, _FAULTY = ("refused", "too_long"), 500
# More ways to say a request otherwise than there are.
_MOST_WAYS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class CallMeter:
    """Follows what one request costs.

    Attributes:
        on_send: Called right before each attempt, with the most money that it may cost.
        on_refused: Called after each attempt that has surely cost nothing.
    """

    on_send: Callable[[float], None] = lambda most: None
    on_refused: Callable[[], None] = lambda: None


class Caller:
    """A client of one server, as an asynchronous context.

    The first requests go one by one, until an answer came that is of use: what the server refuses
    of their form is learnt then, and a server that can't be used costs a few requests only.

    Args:
        endpoint: The server and its model.
        spent_before: Money that earlier runs have cost, which counts towards the limit of money.
        has_worked: Whether it has given answers of use in an earlier run.

    Raises:
        ConfigError: If the key may not be sent to the server, or the environment's proxies can't
            be used.
    """

    def __init__(
        self, endpoint: EndpointSettings, spent_before: float = 0.0, *, has_worked: bool = False
    ) -> None:
        self.streak = FailureStreak(endpoint, has_worked=has_worked)
        self._endpoint = endpoint
        self._answered = False
        self._is_open = False
        self._first = asyncio.Lock()
        self._dialect = Dialect()
        self._budget = Budget(endpoint, spent_before)
        self._pacer = RequestPacer(endpoint)
        self._backoff = Backoff(
            attempts=endpoint.attempts, first_wait_s=endpoint.first_wait_s, jitter=(0.5, 1.5)
        )
        self._key = endpoint.api_key()
        headers = IDENTITY | authorization(
            endpoint.url, self._key, allow_insecure_http=endpoint.allow_insecure_http
        )
        connection = connection_settings(endpoint.url)
        self._clients = [
            httpx.AsyncClient(
                headers=headers,
                timeout=httpx.Timeout(None, connect=_CONNECT_S),
                limits=httpx.Limits(max_connections=endpoint.in_flight),
                **connection,
            )
            for _ in range(-(-endpoint.in_flight // _CONNECTIONS_A_CLIENT))
        ]
        self._next_client = itertools.cycle(self._clients)
        self._open = AsyncExitStack()

    @property
    def spent(self) -> Spending:
        """The cost of all requests so far, as the server counts it."""
        return self._budget.spent

    async def __aenter__(self) -> Self:
        for client in self._clients:
            await self._open.enter_async_context(client)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.__aexit__(kind, error, trace)

    async def call(
        self,
        body: Mapping[str, Any],
        *,
        meter: CallMeter | None = None,
        fault_of: Callable[[Reply], str] = lambda reply: "",
    ) -> Reply | Failure:
        """Sends one request, and repeats it after transient failures.

        Args:
            body: A chat completion's, without the model.
            meter: Follows what it costs.
            fault_of: Returns why a reply is of no use, "" if it is of use.

        Returns:
            The reply, of use or not, or the last attempt's failure.

        Raises:
            ConfigError: If the server refuses the key, doesn't know the model, or wants money; or
                if every request fails.
            ResourceError: If it can't be reached at all, or no longer.
        """
        if not self._is_open:
            async with self._first:
                if not self._is_open:
                    return await self._counted(body, meter or CallMeter(), fault_of)
        return await self._counted(body, meter or CallMeter(), fault_of)

    async def _counted(
        self, body: Mapping[str, Any], meter: CallMeter, fault_of: Callable[[Reply], str]
    ) -> Reply | Failure:
        outcome = await self._repeated(body, meter)
        if isinstance(outcome, Failure):
            self.streak.bad(outcome.kind, outcome.detail)
        elif fault := fault_of(outcome):
            self.streak.bad("unreadable", fault)
        else:
            self._is_open = True
            self.streak.good()
        return outcome

    async def _repeated(self, body: Mapping[str, Any], meter: CallMeter) -> Reply | Failure:
        for wait_s in self._backoff.waits():
            await asyncio.sleep(wait_s)
            outcome, hold_s = await self._said(body, meter)
            if isinstance(outcome, Reply):
                self._answered = True
                return outcome
            failure = outcome
            if failure.kind not in _TRANSIENT:
                break
            if hold_s is not None:
                self._pacer.hold(hold_s)
        if failure.kind == "connection" and failure.is_free and not self._answered:
            raise ResourceError(
                f"{self._endpoint.url} can't be reached",
                seen=failure.detail,
                fix="Start the server, or correct the url.",
            )
        return failure

    async def _said(
        self, body: Mapping[str, Any], meter: CallMeter
    ) -> tuple[Reply | Failure, float | None]:
        """Sends a request in the ways that may be the server's, until one isn't refused.

        Returns:
            The outcome, and the seconds of the server's Retry-After.
        """
        dialect = self._dialect
        tried = [dialect]
        first: tuple[Failure, float | None] | None = None
        while True:
            outcome, hold_s = await self._attempt(dialect.spoken(body), meter)
            if isinstance(outcome, Reply):
                self._learn(dialect.lasting())
                return outcome, hold_s
            if outcome.kind == "budget":
                return outcome, hold_s
            # The words of the first refusal count: a guess may have been refused for another.
            first = first or (outcome, hold_s)
            ways = self._ways(dialect, body, outcome)
            better = next((way for way in ways if way not in tried), None)
            if better is None or len(tried) == _MOST_WAYS:
                return first
            dialect = better
            tried.append(dialect)

    def _ways(
        self, dialect: Dialect, body: Mapping[str, Any], failure: Failure
    ) -> Iterator[Dialect]:
        """Yields other ways to say a request that was refused, the likeliest first."""
        error = failure.error
        if error is None or not (failure.kind in _OF_FORM or error.status == _FAULTY):
            return
        yield self._dialect  # learnt meanwhile, by another request
        if (better := dialect.after(body, error)) is not None:
            yield better
        elif failure.kind == "refused" and error.status in _UNCLEAR and not self._answered:
            yield from self._dialect.guesses(body)

    def _learn(self, dialect: Dialect) -> None:
        if dialect == self._dialect:
            return
        self._dialect = dialect
        _LOG.warning("%s: %s", self._endpoint.url, "; ".join(dialect.notes()))

    async def _attempt(
        self, body: Mapping[str, Any], meter: CallMeter
    ) -> tuple[Reply | Failure, float | None]:
        reserved = await self._budget.reserve(body)
        if reserved is None:
            return Failure(kind="budget", detail=self._budget.reached), None
        await self._pacer.wait(reserved.tokens)
        meter.on_send(reserved.cost)
        outcome, hold_s = await self._post({"model": self._endpoint.model, **body})
        await _settle(reserved, outcome)
        if isinstance(outcome, Failure):
            if outcome.is_free:
                meter.on_refused()
            if outcome.error is not None:
                self._require_access(outcome)
        return outcome, hold_s

    async def _post(self, body: Mapping[str, Any]) -> tuple[Reply | Failure, float | None]:
        url = f"{self._endpoint.url.rstrip('/')}/chat/completions"
        try:
            async with (
                asyncio.timeout(self._endpoint.timeout_s),
                next(self._next_client).stream("POST", url, json=body) as response,
            ):
                received = ReplyBody(response.headers, MAX_REPLY_BYTES)
                async for part in response.aiter_raw():
                    if not received.add(part):
                        break
        except (httpx.TimeoutException, TimeoutError) as error:
            free = isinstance(error, httpx.ConnectTimeout)
            return Failure(kind="timeout", detail=repr(error)[:_SHOWN], is_free=free), None
        except httpx.HTTPError as error:
            free = isinstance(error, httpx.ConnectError)
            return Failure(kind="connection", detail=repr(error)[:_SHOWN], is_free=free), None
        if response.is_success:
            return self._read(received), None
        hold_s = retry_after_s(response.headers.get("retry-after", ""))
        data = response.headers.get("location", "").encode() if response.is_redirect else b""
        data = data or received.data
        return failure_of(response.status_code, without_key(data, self._key)), hold_s

    def _read(self, received: ReplyBody) -> Reply | Failure:
        if received.fault:
            return Failure(kind="bad_response", detail=received.fault)
        outcome = read_reply(received.data)
        if isinstance(outcome, Failure):  # its detail quotes the beginning of the response
            outcome = read_reply(without_key(received.data, self._key))
        return outcome

    def _require_access(self, failure: Failure) -> None:
        """Raises ConfigError where every further request would be refused as this one is."""
        error = stop_error(failure, self._endpoint, has_answered=self._answered)
        if error is not None:
            raise error


async def _settle(reserved: Reservation, outcome: Reply | Failure) -> None:
    if isinstance(outcome, Reply):
        await reserved.settle(outcome.tokens_in, outcome.tokens_out)
    elif outcome.is_free:
        await reserved.settle(0, 0)
    else:
        await reserved.forfeit()


async def run_concurrently(
    jobs: Iterable[T], work: Callable[[T], Awaitable[None]], *, in_flight: int
) -> None:
    """Does jobs, several at a time; the first error ends all of them.

    Args:
        jobs: The jobs; taken one by one, so that there may be millions.
        work: Does one job.
        in_flight: How many at a time.

    Raises:
        PaloError: The first that a job raised.
    """
    waiting = iter(jobs)

    async def worker() -> None:
        for job in waiting:
            await work(job)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(worker())
    except* PaloError as errors:
        raise errors.exceptions[0] from None
