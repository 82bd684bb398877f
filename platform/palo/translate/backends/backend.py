"""The one interface of all translators."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from palo.translate.request import TranslationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a translator made of a conversation.

    Attributes:
        texts: Its turns, with marks as the translator left them; empty if it came to none.
        fault: Why there are no turns, in a sentence; empty if there are some.
        is_hopeless: Whether asking again would come to the same.
        tokens_in: Tokens that were read for it, as the server counts them.
        tokens_out: Tokens that were written for it.
        cost: What it has cost, in the currency of the prices.
    """

    texts: tuple[str, ...] = ()
    fault: str = ""
    is_hopeless: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """Why a conversation has no answer; another time it may have one.

    Attributes:
        kind: What went wrong: timeout, connection, busy, server_error, bad_response, budget.
        detail: What was seen.
    """

    kind: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendCallbacks:
    """Where a translator reports while it works.

    Attributes:
        on_send: Called before anything is sent that may cost money, with the most that it may cost.
        on_refused: Called for each of these that was refused, and has cost nothing.
        on_end: Called once for every unit, in any order, with what became of it.
    """

    on_send: Callable[[TranslationRequest, float], None]
    on_refused: Callable[[TranslationRequest], None]
    on_end: Callable[[TranslationRequest, Draft | Lost], None]


class Backend(Protocol):
    """A translator of conversations."""

    @property
    def heeds_reasons(self) -> bool:
        """Whether it does better when it is told why its last translation was refused."""
        ...

    @property
    def name(self) -> str:
        """Names the translator and its model, for the record of each translation."""
        ...

    def prompt_hash(self, language: str) -> str:
        """Names the prompt for a language; empty for a translator without one."""
        ...

    def translate(
        self, units: Iterable[TranslationRequest], desk: BackendCallbacks, spent_before: float = 0.0
    ) -> None:
        """Translates conversations.

        Args:
            units: Any number, taken as they are needed.
            desk: Takes what becomes of them.
            spent_before: What earlier runs have cost, for a limit of money.

        Raises:
            PaloError: If no further conversation can be translated.
        """
        ...
