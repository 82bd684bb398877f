"""Which judge, and how it is asked."""

from collections.abc import Iterator
from dataclasses import dataclass

from palo.endpoint.settings import EndpointSettings
from palo.evaluate.judging.scheme import Form


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeSettings:
    """A judge.

    Attributes:
        endpoint: The server and the model that judges; name a dated version of it, not an alias.
        form: json asks for structured output, lines for two numbers on the first line, as judges
            without structured output can.
        temperature: 0 lets it judge alike each time, as far as it can.
        max_tokens: Most tokens of its reply.
        both_orders: Asks with the reference answer first and with it second, and averages.
        repeats: How often each order is asked, to see how far the judge agrees with itself.
        tries: How often a reply that is no verdict is asked for again, the first one included.
        ask_again: Asks once more where an earlier run got no verdict.
    """

    endpoint: EndpointSettings
    form: Form = "json"
    temperature: float = 0.0
    max_tokens: int = 1024
    both_orders: bool = True
    repeats: int = 1
    tries: int = 2
    ask_again: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not 0 <= self.temperature <= 2:
            yield f"temperature must be from 0 to 2, not {self.temperature}"
        for name in ("max_tokens", "repeats", "tries"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
