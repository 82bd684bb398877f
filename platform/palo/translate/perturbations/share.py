"""Shares with their intervals."""

from collections.abc import Iterable
from dataclasses import dataclass

from palo.metrics.intervals import wilson


@dataclass(frozen=True, kw_only=True, slots=True)
class RateWithInterval:
    """How many of some cases something is true of.

    Attributes:
        count: Of how many it is.
        total: How many there are.
    """

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share; 0 of nothing."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share."""
        return wilson(self.count, self.total) if self.total else (0.0, 1.0)

    def __add__(self, other: "RateWithInterval") -> "RateWithInterval":
        return RateWithInterval(count=self.count + other.count, total=self.total + other.total)


def total(shares: Iterable[RateWithInterval]) -> RateWithInterval:
    """Returns the share of all cases together."""
    return sum(shares, RateWithInterval(count=0, total=0))
