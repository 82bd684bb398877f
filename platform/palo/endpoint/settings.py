"""Which server is asked, and how patiently."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server and a model on it.

    Attributes:
        url: Its address up to and with `/v1`.
        model: Name of the model there.
        key_env: Environment variable that holds the API key; the key itself is never written down.
        in_flight: Requests at a time.
        timeout_s: Longest wait for one answer.
        attempts: How often a request is sent before it counts as failed.
        first_wait_s: Wait before the second attempt; it doubles each time.
        max_calls: Most requests in one run, attempts included; None sets no limit.
        max_total_tokens: Stops once the server has counted so many tokens; None sets no limit.
    """

    url: str
    model: str
    key_env: str = "OPENAI_API_KEY"
    in_flight: int = 64
    timeout_s: float = 120.0
    attempts: int = 4
    first_wait_s: float = 1.0
    max_calls: int | None = None
    max_total_tokens: int | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            yield f"url must begin with http:// or https://, not {self.url!r}"
        if not self.model:
            yield "model is empty: name the model as the server does"
        for name in ("in_flight", "attempts"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        if self.timeout_s <= 0:
            yield f"timeout_s must be more than 0, not {self.timeout_s}"
        if self.first_wait_s < 0:
            yield f"first_wait_s must not be negative, as {self.first_wait_s} is"
        for name in ("max_calls", "max_total_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{name} must be at least 1, not {value}"
