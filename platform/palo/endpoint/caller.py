"""Sends chat requests to one server: several at a time, with retries, within a budget."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from palo.endpoint.credentials import OPENAI_KEY, authorization, is_loopback, without_key
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
from palo.errors import ConfigError, PaloError, ResourceError
from palo.retries import Backoff, retry_after_s

T = TypeVar("T")

_SHOWN = 200
# A server that is up accepts a connection at once; its answer may take minutes.
_CONNECT_S = 10.0
# For each request httpx compares all connections of a client with one another.
_CONNECTIONS_A_CLIENT = 8
_NO_MONEY = b"insufficient_quota"
_TRANSIENT = ("timeout", "connection", "busy", "server_error", "bad_response")


class Caller:
    """A client of one server, as an asynchronous context.

    Args:
        endpoint: The server and its model.
        spent_before: Money that earlier runs have cost, which counts towards the limit of money.

    Raises:
        ConfigError: If the key may not be sent to the server.
    """

    def __init__(self, endpoint: EndpointSettings, spent_before: float = 0.0) -> None:
        self._endpoint = endpoint
        self._answered = False
        self._budget = Budget(endpoint, spent_before)
        self._pacer = RequestPacer(endpoint)
        self._backoff = Backoff(
            attempts=endpoint.attempts, first_wait_s=endpoint.first_wait_s, jitter=(0.5, 1.5)
        )
        self._key = endpoint.api_key()
        headers = IDENTITY | authorization(
            endpoint.url, self._key, allow_insecure_http=endpoint.allow_insecure_http
        )
        certificates = httpx.create_ssl_context()
        self._clients = [
            httpx.AsyncClient(
                headers=headers,
                timeout=httpx.Timeout(None, connect=_CONNECT_S),
                limits=httpx.Limits(max_connections=endpoint.in_flight),
                verify=certificates,
                # A proxy of the environment is meant for other machines, and would read the key.
                trust_env=not is_loopback(endpoint.url),
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
        on_send: Callable[[float], None] = lambda most: None,
        on_refused: Callable[[], None] = lambda: None,
    ) -> Reply | Failure:
        """Sends one request, and repeats it after transient failures.

        Args:
            body: A chat completion's, without the model.
            on_send: Called right before each attempt, with the most money that it may cost.
            on_refused: Called after each attempt that has surely cost nothing.

        Returns:
            The reply, or the last attempt's failure.

        Raises:
            ConfigError: If the server refuses the key, doesn't know the model, or wants money.
            ResourceError: If it can't be reached at all.
        """
        failure = Failure(kind="budget", detail="the budget is spent")
        for wait_s in self._backoff.waits():
            await asyncio.sleep(wait_s)
            reserved = await self._budget.reserve(body)
            if reserved is None:
                return Failure(kind="budget", detail="the budget is spent")
            outcome, hold_s = await self._attempt(body, reserved, on_send)
            if isinstance(outcome, Reply):
                self._answered = True
                return outcome
            failure = outcome
            if failure.is_free:
                on_refused()
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

    async def _attempt(
        self, body: Mapping[str, Any], reserved: Reservation, on_send: Callable[[float], None]
    ) -> tuple[Reply | Failure, float | None]:
        """Returns the outcome, and the seconds of the server's Retry-After."""
        await self._pacer.wait(reserved.tokens)
        on_send(reserved.cost)
        outcome, hold_s = await self._post({"model": self._endpoint.model, **body})
        if isinstance(outcome, Reply):
            await reserved.settle(outcome.tokens_in, outcome.tokens_out)
        elif outcome.is_free:
            await reserved.settle(0, 0)
        else:
            await reserved.forfeit()
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
        data = without_key(received.data, self._key)
        self._require_access(response.status_code, data)
        hold_s = retry_after_s(response.headers.get("retry-after", ""))
        return failure_of(response.status_code, data), hold_s

    def _read(self, received: ReplyBody) -> Reply | Failure:
        if received.fault:
            return Failure(kind="bad_response", detail=received.fault)
        outcome = read_reply(received.data)
        if isinstance(outcome, Failure):  # its detail quotes the beginning of the response
            outcome = read_reply(without_key(received.data, self._key))
        return outcome

    def _require_access(self, status: int, body: bytes) -> None:
        """Raises ConfigError where every further request would be refused as this one is."""
        seen = body[:_SHOWN].decode("utf-8", "replace")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ConfigError(
                f"{self._endpoint.url} refuses the API key",
                seen=seen,
                fix=self._how_to_give_a_key(),
            )
        if status == HTTPStatus.PAYMENT_REQUIRED or _NO_MONEY in body:
            raise ConfigError(
                f"{self._endpoint.url} wants money before it answers",
                seen=seen,
                fix="Pay there, then run the same command again.",
            )
        if status == HTTPStatus.NOT_FOUND:
            raise ConfigError(
                f"{self._endpoint.url} has no model {self._endpoint.model}",
                seen=seen,
                fix="Correct the model's name, or the url, which must end in /v1.",
            )

    def _how_to_give_a_key(self) -> str:
        variable = self._endpoint.key_variable()
        if variable is not None:
            return f"Put the server's key into the environment variable {variable}."
        return (
            "Name the environment variable that holds this server's key (--key-env NAME); "
            f"{OPENAI_KEY} unasked goes to OpenAI and to OPENAI_BASE_URL only."
        )


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
