"""Sends chat requests: some at a time, with retries, within a budget."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from palo.endpoint.budget import Budget, Reservation, Spending
from palo.endpoint.credentials import OPENAI_KEY, authorization, is_loopback, without_key
from palo.endpoint.pace import Pace
from palo.endpoint.replies import MAX_REPLY_BYTES, Failure, Reply, failure_of, read_reply
from palo.endpoint.reply_body import IDENTITY, ReplyBody
from palo.endpoint.retry_after import seconds_of
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError, PaloError, ResourceError

T = TypeVar("T")

_LONGEST_WAIT_S = 60.0
_SHOWN = 200
# A server that is there takes a connection at once; its answer may take minutes.
_CONNECT_S = 10.0
# For each request httpx compares all connections of a client with one another.
_CONNECTIONS_A_CLIENT = 8
_NO_MONEY = b"insufficient_quota"
_PASSING = ("timeout", "connection", "busy", "server_error", "bad_response")


class Caller:
    """Sends requests to one server, as an asynchronous context.

    Args:
        endpoint: The server and its model.
        spent_before: What earlier runs have cost, for the limit of money.

    Raises:
        ConfigError: If the key may not be sent to the server.
    """

    def __init__(self, endpoint: EndpointSettings, spent_before: float = 0.0) -> None:
        self._endpoint = endpoint
        self._answered = False
        self._budget = Budget(endpoint, spent_before)
        self._pace = Pace(endpoint)
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
        self._turns = itertools.cycle(self._clients)
        self._open = AsyncExitStack()

    @property
    def spent(self) -> Spending:
        """What the requests have cost, as far as the server has told."""
        return self._budget.spent

    @property
    def num_calls(self) -> int:
        """Requests that were sent, attempts included."""
        return self.spent.calls

    @property
    def num_tokens(self) -> int:
        """Tokens that the server counted."""
        return self.spent.tokens

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

    async def ask(
        self,
        body: Mapping[str, Any],
        *,
        on_send: Callable[[float], None] = lambda most: None,
        on_refused: Callable[[], None] = lambda: None,
    ) -> Reply | Failure:
        """Sends one request, again if what went wrong may pass.

        Args:
            body: A chat completion's, without the model.
            on_send: Called right before each attempt, with the most that it may cost.
            on_refused: Called after each attempt that has surely cost nothing.

        Raises:
            ConfigError: If the server refuses the key, doesn't know the model, or wants money.
            ResourceError: If it can't be reached at all.
        """
        wait_s = self._endpoint.first_wait_s
        failure = Failure(kind="budget", detail="the budget is spent")
        for attempt in range(1, self._endpoint.attempts + 1):
            reserved = await self._budget.take(body)
            if reserved is None:
                return Failure(kind="budget", detail="the budget is spent")
            found, asked_s = await self._send(body, reserved, on_send)
            if isinstance(found, Reply):
                self._answered = True
                return found
            failure = found
            if failure.is_free:
                on_refused()
            if failure.kind not in _PASSING or attempt == self._endpoint.attempts:
                break
            if asked_s is not None:
                self._pace.hold(asked_s)
            # Many requests that failed together must not come back together.
            await asyncio.sleep(min(wait_s, _LONGEST_WAIT_S) * random.uniform(0.5, 1.5))  # noqa: S311
            wait_s *= 2
        if failure.kind == "connection" and failure.is_free and not self._answered:
            raise ResourceError(
                f"{self._endpoint.url} can't be reached",
                seen=failure.detail,
                fix="Start the server, or correct the url.",
            )
        return failure

    async def _send(
        self, body: Mapping[str, Any], reserved: Reservation, on_send: Callable[[float], None]
    ) -> tuple[Reply | Failure, float | None]:
        """Returns the reply, and how long the server asks to wait before the next attempt."""
        await self._pace.wait(reserved.tokens)
        on_send(reserved.cost)
        found, asked_s = await self._post({"model": self._endpoint.model, **body})
        if isinstance(found, Reply):
            await reserved.settle(found.tokens_in, found.tokens_out)
        elif found.is_free:
            await reserved.settle(0, 0)
        else:
            await reserved.give_up()
        return found, asked_s

    async def _post(self, body: Mapping[str, Any]) -> tuple[Reply | Failure, float | None]:
        url = f"{self._endpoint.url.rstrip('/')}/chat/completions"
        try:
            async with (
                asyncio.timeout(self._endpoint.timeout_s),
                next(self._turns).stream("POST", url, json=body) as response,
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
        said = without_key(received.data, self._key)
        self._require_access(response.status_code, said)
        asked_s = seconds_of(response.headers.get("retry-after", ""))
        return failure_of(response.status_code, said), asked_s

    def _read(self, received: ReplyBody) -> Reply | Failure:
        if received.fault:
            return Failure(kind="bad_response", detail=received.fault)
        found = read_reply(received.data)
        if isinstance(found, Failure):  # its detail shows the beginning of what came
            found = read_reply(without_key(received.data, self._key))
        return found

    def _require_access(self, status: int, body: bytes) -> None:
        """Raises ConfigError where every further request would be refused as this one is."""
        said = body[:_SHOWN].decode("utf-8", "replace")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ConfigError(
                f"{self._endpoint.url} refuses the API key",
                seen=said,
                fix=self._how_to_give_a_key(),
            )
        if status == HTTPStatus.PAYMENT_REQUIRED or _NO_MONEY in body:
            raise ConfigError(
                f"{self._endpoint.url} wants money before it answers",
                seen=said,
                fix="Pay there, then run the same command again.",
            )
        if status == HTTPStatus.NOT_FOUND:
            raise ConfigError(
                f"{self._endpoint.url} has no model {self._endpoint.model}",
                seen=said,
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


async def each(jobs: Iterable[T], work: Callable[[T], Awaitable[None]], *, in_flight: int) -> None:
    """Does jobs, so many at a time; the first error ends all of them.

    Args:
        jobs: What is to be done; taken one by one, so that there may be millions.
        work: Does one job.
        in_flight: How many at a time.
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
