"""What may still be spent: requests in flight count as if they used all that they may."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palo.endpoint.settings import EndpointSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """What requests have cost.

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


class Budget:
    """Lets requests go out while they surely stay within what may be spent.

    Args:
        endpoint: Prices and limits.
        before: What earlier runs have cost; the limit of money is for all of them together.

    Attributes:
        spent: What this run has cost.
    """

    def __init__(self, endpoint: EndpointSettings, before: float = 0.0) -> None:
        self.spent = Spending()
        self._endpoint = endpoint
        self._before = before
        self._flying_tokens = 0
        self._flying_cost = 0.0
        self._flying = 0
        self._landed = asyncio.Condition()

    async def take(self, body: Mapping[str, Any]) -> "Reservation | None":
        """Reserves what a request may cost at most; None if it doesn't fit in.

        Waits for those in flight where they might leave enough.
        """
        most_in, most_out = foreseen(body)
        cost = self._endpoint.cost(most_in, most_out)
        async with self._landed:
            while not self._fits(most_in + most_out, cost):
                if not self._flying:
                    return None
                await self._landed.wait()
            self._flying += 1
            self._flying_tokens += most_in + most_out
            self._flying_cost += cost
            self.spent = _sum(self.spent, Spending(calls=1))
        return Reservation(self, most_in + most_out, cost)

    def _fits(self, tokens: int, cost: float) -> bool:
        limits = self._endpoint
        all_tokens = self.spent.tokens + self._flying_tokens + tokens
        all_cost = self._before + self.spent.cost + self._flying_cost + cost
        return (
            (limits.max_calls is None or self.spent.calls < limits.max_calls)
            and (limits.max_total_tokens is None or all_tokens <= limits.max_total_tokens)
            and (limits.max_cost is None or all_cost <= limits.max_cost)
        )

    async def _land(self, tokens: int, cost: float, spent: Spending) -> None:
        async with self._landed:
            self._flying -= 1
            self._flying_tokens -= tokens
            self._flying_cost -= cost
            self.spent = _sum(self.spent, spent)
            self._landed.notify_all()


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is set aside for one request.

    Attributes:
        tokens: Most tokens.
        cost: Most money.
    """

    _budget: Budget
    tokens: int
    cost: float

    async def settle(self, tokens_in: int, tokens_out: int) -> None:
        """Takes what the request has cost in place of what was set aside.

        Args:
            tokens_in: Tokens of the question, as the server counts them.
            tokens_out: Tokens of the answer.
        """
        cost = self._budget._endpoint.cost(tokens_in, tokens_out)
        spent = Spending(tokens_in=tokens_in, tokens_out=tokens_out, cost=cost)
        await self._budget._land(self.tokens, self.cost, spent)

    async def give_up(self) -> None:
        """Keeps set aside what a request may have cost whose answer nobody saw."""
        await self._budget._land(0, 0.0, Spending())


def foreseen(body: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the most tokens that a request's question and answer can have.

    A token stands for at least one byte of text. Images aren't counted, nor an answer that has no
    limit of its own.
    """
    texts = [message.get("content") for message in body.get("messages", ())]
    size = sum(len(json.dumps(t, ensure_ascii=False).encode()) for t in texts if isinstance(t, str))
    return size, int(body.get("max_tokens") or 0)


def _sum(one: Spending, other: Spending) -> Spending:
    return Spending(
        calls=one.calls + other.calls,
        tokens_in=one.tokens_in + other.tokens_in,
        tokens_out=one.tokens_out + other.tokens_out,
        cost=one.cost + other.cost,
    )
