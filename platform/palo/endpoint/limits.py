"""Limits on requests to a server: their cost, and their number in a minute."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from palo.endpoint.settings import EndpointSettings

_MINUTE_S = 60.0
_LONGEST_HOLD_S = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """The cost of requests.

    Attributes:
        calls: Requests that were sent, attempts included.
        tokens_in: Tokens of questions, as the server counts them.
        tokens_out: Tokens of answers.
        cost: Money.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of questions and answers."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: "Spending") -> "Spending":
        return Spending(
            calls=self.calls + other.calls,
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
            cost=self.cost + other.cost,
        )


class Budget:
    """Admits requests that surely stay within the limits of calls, tokens and money.

    A request in flight counts as if it used all that it may.

    Args:
        endpoint: Prices and limits.
        before: Money that earlier runs have cost, which counts towards the limit of money.

    Attributes:
        spent: What this run has cost.
        reached: Name of the limit that didn't allow a request; empty while all were allowed.
    """

    def __init__(self, endpoint: EndpointSettings, before: float = 0.0) -> None:
        self.spent = Spending()
        self.reached = ""
        self._endpoint = endpoint
        self._before = before
        self._reserved_tokens = 0
        self._reserved_cost = 0.0
        self._in_flight = 0
        self._released = asyncio.Condition()

    async def reserve(self, body: Mapping[str, Any]) -> "Reservation | None":
        """Reserves the most that a request may cost.

        Waits for requests in flight where they might leave enough.

        Args:
            body: A chat completion's.

        Returns:
            None if the budget doesn't allow the request.
        """
        most_in, most_out = most_tokens(body)
        cost = self._endpoint.cost(most_in, most_out)
        async with self._released:
            while limit := self._too_low(most_in + most_out, cost):
                if not self._in_flight:
                    self.reached = limit
                    return None
                await self._released.wait()
            self._in_flight += 1
            self._reserved_tokens += most_in + most_out
            self._reserved_cost += cost
            self.spent += Spending(calls=1)
        return Reservation(self, most_in + most_out, cost)

    def _too_low(self, tokens: int, cost: float) -> str:
        """Returns the name of a limit that a request would exceed; empty if there is none."""
        limits = self._endpoint
        all_tokens = self.spent.tokens + self._reserved_tokens + tokens
        all_cost = self._before + self.spent.cost + self._reserved_cost + cost
        if limits.max_cost is not None and all_cost > limits.max_cost:
            return "max_cost"
        if limits.max_calls is not None and self.spent.calls >= limits.max_calls:
            return "max_calls"
        if limits.max_total_tokens is not None and all_tokens > limits.max_total_tokens:
            return "max_total_tokens"
        return ""

    async def _release(self, tokens: int, cost: float, spent: Spending) -> None:
        async with self._released:
            self._in_flight -= 1
            self._reserved_tokens -= tokens
            self._reserved_cost -= cost
            self.spent += spent
            self._released.notify_all()


@dataclass(frozen=True, slots=True)
class Reservation:
    """The share of a budget that one request holds.

    Attributes:
        tokens: Most tokens.
        cost: Most money.
    """

    _budget: Budget
    tokens: int
    cost: float

    async def settle(self, tokens_in: int, tokens_out: int) -> None:
        """Replaces the reservation with the actual cost.

        Args:
            tokens_in: Tokens of the question, as the server counts them.
            tokens_out: Tokens of the answer.
        """
        cost = self._budget._endpoint.cost(tokens_in, tokens_out)
        spent = Spending(tokens_in=tokens_in, tokens_out=tokens_out, cost=cost)
        await self._budget._release(self.tokens, self.cost, spent)

    async def forfeit(self) -> None:
        """Keeps the reservation: the request may have been billed, but its answer was lost."""
        await self._budget._release(0, 0.0, Spending())


def most_tokens(body: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the most tokens that a request's question and answer can have.

    A token stands for at least one byte of text. Images aren't counted, nor an answer without a
    limit of its own.

    Args:
        body: A chat completion's.
    """
    texts = [message.get("content") for message in body.get("messages", ())]
    size = sum(len(json.dumps(t, ensure_ascii=False).encode()) for t in texts if isinstance(t, str))
    return size, int(body.get("max_tokens") or 0)


class RequestPacer:
    """Spaces requests so that no limit a minute is exceeded.

    Args:
        endpoint: The limits.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, endpoint: EndpointSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._next_request = self._next_token = self._held_until = 0.0

    async def wait(self, tokens: int) -> None:
        """Waits until a request may go out.

        Args:
            tokens: Most tokens that it may use.
        """
        while (wait_s := self._start(tokens)) > 0:
            await asyncio.sleep(wait_s)

    def _start(self, tokens: int) -> float:
        """Starts a request if it may go out now; else returns how long it must wait."""
        now = self._clock()
        wait_s = max(self._held_until, self._next_request, self._next_token) - now
        if wait_s > 0:
            return wait_s
        if self._endpoint.requests_per_minute is not None:
            self._next_request = now + _MINUTE_S / self._endpoint.requests_per_minute
        if self._endpoint.tokens_per_minute is not None:
            self._next_token = now + _MINUTE_S * tokens / self._endpoint.tokens_per_minute
        return 0.0

    def hold(self, wait_s: float) -> None:
        """Holds all requests back, as a server has asked.

        Args:
            wait_s: Seconds from now; ten minutes at most are waited.
        """
        until = self._clock() + min(wait_s, _LONGEST_HOLD_S)
        self._held_until = max(self._held_until, until)
