"""Settings of a server: its address, its limits and its prices."""

from collections.abc import Iterator
from dataclasses import dataclass

from palo.endpoint.credentials import address_faults, key_faults, key_of, key_variable

_LEAST = ("in_flight", "attempts")
_NOT_NEGATIVE = ("first_wait_s", "input_price", "output_price")
_LIMITS = ("max_calls", "max_total_tokens")
_RATES = ("requests_per_minute", "tokens_per_minute", "max_cost")


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointSettings:
    """An OpenAI-compatible server and a model on it.

    Attributes:
        url: Its address up to and with `/v1`.
        model: Name of the model there.
        key_env: Environment variable that holds the server's API key; the key itself is never
            written down. None is OPENAI_API_KEY for OpenAI's server and that of OPENAI_BASE_URL,
            and no key for any other; an empty name is no key.
        allow_insecure_http: Sends the key over http:// to another machine, too.
        in_flight: Requests at a time.
        timeout_s: Longest wait for one answer.
        attempts: How often a request is sent before it counts as failed.
        first_wait_s: Wait before the second attempt; it doubles each time. A server that names a
            time of its own (Retry-After) is obeyed, by all requests.
        requests_per_minute: Most requests in a minute; None sets no limit.
        tokens_per_minute: Most tokens in a minute, estimated before each request; None sets no
            limit.
        max_calls: Most requests in one run, attempts included; None sets no limit.
        max_total_tokens: Stops once the server has counted so many tokens; None sets no limit.
        input_price: Price of a million tokens of questions, in any currency.
        output_price: Price of a million tokens of answers, in the same currency.
        max_cost: Most money in that currency; None sets no limit. What is in flight counts as
            if it used all tokens that it may.
    """

    url: str
    model: str
    key_env: str | None = None
    allow_insecure_http: bool = False
    in_flight: int = 64
    timeout_s: float = 120.0
    attempts: int = 4
    first_wait_s: float = 1.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_calls: int | None = None
    max_total_tokens: int | None = None
    input_price: float = 0.0
    output_price: float = 0.0
    max_cost: float | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        yield from address_faults(self.url)
        yield from key_faults(
            self.url, self.api_key(), allow_insecure_http=self.allow_insecure_http
        )
        if not self.model:
            yield "model is empty: name the model as the server does"
        for name in _LEAST:
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        if self.timeout_s <= 0:
            yield f"timeout_s must be more than 0, not {self.timeout_s}"
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                yield f"{name} must not be negative, as {getattr(self, name)} is"
        for name in _LIMITS:
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{name} must be at least 1, not {value}"
        for name in _RATES:
            value = getattr(self, name)
            if value is not None and value <= 0:
                yield f"{name} must be more than 0, not {value}"
        if self.max_cost is not None and not (self.input_price or self.output_price):
            yield "max_cost needs input_price or output_price: else nothing costs anything"

    def key_variable(self) -> str | None:
        """Returns the environment variable whose key the server gets; None if it gets none."""
        return key_variable(self.url, self.key_env)

    def api_key(self) -> str | None:
        """Returns the key that the server gets; None if there is none."""
        return key_of(self.key_variable())

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """Returns the cost of tokens.

        Args:
            tokens_in: Tokens of questions.
            tokens_out: Tokens of answers.
        """
        return (tokens_in * self.input_price + tokens_out * self.output_price) / 1e6
