"""The interface of all translators."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from palo.translate.request import TranslationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """The answer of a translator, before it is checked.

    Attributes:
        texts: The translated turns, placeholders as the translator left them; empty on a fault.
        fault: Why there are no turns, in a sentence; empty if there are some.
        is_hopeless: Whether another attempt would end the same way: the text itself was refused.
        tokens_in: Prompt tokens, as the server counts them.
        tokens_out: Completion tokens, as the server counts them.
        cost: Cost in the currency of the prices.
    """

    texts: tuple[str, ...] = ()
    fault: str = ""
    is_hopeless: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationFailure:
    """Why a request got no answer; a later run may get one.

    Attributes:
        kind: timeout, connection, busy, server_error, refused, bad_response or budget.
        detail: The error as it was seen.
    """

    kind: str
    detail: str


class CostMeter(Protocol):
    """Records what one request may cost, before it does."""

    def send(self, most_cost: float) -> None:
        """Records that the request is about to be sent.

        Args:
            most_cost: The most that it may cost.
        """
        ...

    def refuse(self) -> None:
        """Records that the server refused what was sent last, which costs nothing."""
        ...


class FreeOfCharge:
    """A meter for requests that cost nothing, or whose cost is of no importance."""

    def send(self, most_cost: float) -> None:
        """Records nothing.

        Args:
            most_cost: The most that the request may cost.
        """

    def refuse(self) -> None:
        """Records nothing."""


Translate = Callable[[TranslationRequest, CostMeter], Awaitable[Draft | TranslationFailure]]
"""Translates one conversation; many calls may wait at the same time."""


class Backend(Protocol):
    """A translator of conversations."""

    @property
    def name(self) -> str:
        """The translator and its model, for the record of each translation."""
        ...

    @property
    def accepts_feedback(self) -> bool:
        """Whether another attempt can do better when it is told why the last one was refused."""
        ...

    @property
    def concurrency(self) -> int:
        """How many requests keep it busy."""
        ...

    @property
    def settings_hash(self) -> str:
        """Names all settings that decide whether an answer is of use."""
        ...

    def prompt_hash(self, language: str) -> str:
        """Returns the name of the prompt for a language; empty for a translator without one.

        Args:
            language: ISO 639-1 code.
        """
        ...

    def open(
        self, spent_before: float, *, has_worked: bool
    ) -> AbstractAsyncContextManager[Translate]:
        """Connects to the translator.

        Args:
            spent_before: The cost of earlier runs, which counts towards a limit of money.
            has_worked: Whether it has given answers of use in an earlier run.

        Returns:
            A context that gives the function to translate with. That raises PaloError if no
            further conversation can be translated.
        """
        ...
