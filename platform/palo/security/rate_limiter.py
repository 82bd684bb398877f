"""Rate limits of each key: requests and tokens a minute, and concurrent requests."""

import math
import threading
import time
from collections.abc import Callable

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import TokenUsage
from palo.security.keys import ApiKey, KeyLimits

_MINUTE_S = 60.0
_BUSY_RETRY_S = 1.0


class RateLimiter:
    """Admits requests within the limits of their keys. Safe for threads.

    Args:
        num_processes: Processes that share the limits; each grants an equal part.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, num_processes: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = 1 / num_processes
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}

    def admit(self, key: ApiKey) -> "Lease":
        """Admits a request.

        Args:
            key: The request's key.

        Returns:
            A lease, to be closed at the end of the request.

        Raises:
            APIError: If a limit of the key is reached, with the time until another try.
        """
        with self._lock:
            now = self._clock()
            account = self._accounts.get(key.id)
            if account is None or account.limits != key.limits:
                running = account.running if account else 0
                account = _Account(key.limits, self._share, now, running)
                self._accounts[key.id] = account
            account.enter(now)
            return Lease(self, key.id)

    def _charge(self, key_id: str, num_tokens: int) -> None:
        with self._lock:
            self._accounts[key_id].tokens.take(num_tokens, self._clock())

    def _leave(self, key_id: str) -> None:
        with self._lock:
            self._accounts[key_id].running -= 1


class Lease:
    """The admission of one request, held until its end.

    Args:
        rate_limiter: The rate limiter that admitted it.
        key_id: Id of its key.
    """

    def __init__(self, rate_limiter: RateLimiter, key_id: str) -> None:
        self._rate_limiter = rate_limiter
        self._key_id = key_id
        self._is_open = True

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def charge(self, num_tokens: int) -> None:
        """Charges tokens to the key.

        Args:
            num_tokens: Tokens of a prompt or an answer.
        """
        self._rate_limiter._charge(self._key_id, num_tokens)

    def close(self) -> None:
        """Ends the lease; may be called again."""
        if self._is_open:
            self._is_open = False
            self._rate_limiter._leave(self._key_id)


class TokenMeter:
    """Charges the tokens of one request while they are generated, since its client may disconnect.

    Args:
        lease: Lease of the request.
        num_choices: Number of answers.
    """

    def __init__(self, lease: Lease, num_choices: int) -> None:
        self._lease = lease
        self._prompt_tokens = 0
        self._answer_tokens = [0] * num_choices

    def charge_prompt(self, prompt_tokens: int) -> None:
        """Charges the prompt; a replica that continues the answer doesn't charge it again.

        Args:
            prompt_tokens: Its tokens, each image with all of its tokens.
        """
        self._pay_prompt(prompt_tokens)

    def charge_delta(self, choice: int, usage: TokenUsage | None) -> None:
        """Charges one step of the engine.

        Args:
            choice: Index of the answer.
            usage: Usage of the whole answer, with its last step.
        """
        if usage is None:  # a step adds one token
            self._answer_tokens[choice] += 1
            self._lease.charge(1)
            return
        self._lease.charge(usage.completion_tokens - self._answer_tokens[choice])
        self._answer_tokens[choice] = usage.completion_tokens
        self._pay_prompt(usage.prompt_tokens)

    def _pay_prompt(self, num_tokens: int) -> None:
        self._lease.charge(max(0, num_tokens - self._prompt_tokens))
        self._prompt_tokens = max(self._prompt_tokens, num_tokens)


class _Account:
    def __init__(self, limits: KeyLimits, share: float, now: float, running: int) -> None:
        self.limits = limits
        self.running = running
        self.requests = _Bucket(_part(limits.requests_per_minute, share), now)
        self.tokens = _Bucket(_part(limits.tokens_per_minute, share), now)
        self._most_at_once = math.ceil(_part(limits.concurrent, share) or 0) or None

    def enter(self, now: float) -> None:
        if self._most_at_once is not None and self.running >= self._most_at_once:
            raise _too_many("requests at once", self.limits.concurrent, _BUSY_RETRY_S)
        if wait_s := self.tokens.wait_s(now, 1):
            raise _too_many("tokens a minute", self.limits.tokens_per_minute, wait_s)
        if wait_s := self.requests.wait_s(now, 1):
            raise _too_many("requests a minute", self.limits.requests_per_minute, wait_s)
        self.requests.take(1, now)
        self.running += 1


def _part(limit: int | None, share: float) -> float | None:
    return None if limit is None else max(1.0, limit * share)


class _Bucket:
    """A token bucket that fills within a minute; its content may become negative."""

    def __init__(self, size: float | None, now: float) -> None:
        self._size = size
        self._content = size or 0.0
        self._filled_s = now

    def wait_s(self, now: float, wanted: float) -> float:
        """Returns the seconds until the bucket holds so much; always 0 without a size."""
        if self._size is None:
            return 0.0
        passed = now - self._filled_s
        self._content = min(self._size, self._content + passed * self._size / _MINUTE_S)
        self._filled_s = now
        # Tolerates rounding: fractions of a minute may not add up to the whole.
        missing = wanted - self._content
        return missing * _MINUTE_S / self._size if missing > 1e-9 else 0.0

    def take(self, amount: float, now: float) -> None:
        self.wait_s(now, 0)
        self._content -= amount


def _too_many(what: str, limit: int | None, wait_s: float) -> APIError:
    return APIError(
        f"this API key has used up its {what}",
        seen=limit or "",
        fix=f"Try again in {max(1, math.ceil(wait_s))} s.",
        code=APIErrorCode.RATE_LIMIT_EXCEEDED,
        retry_after_s=wait_s,
    )
