"""Ends a job in which every request fails: more of them would cost time or money for nothing."""

from collections import Counter

from palo.endpoint.refusals import FailureKind
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError, PaloError, ResourceError

# Replies that can't be read, and refusals of a text, may be chance; a refusal of the form isn't.
_CHANCE = ("unreadable", "filtered", "too_long")
_MOST_AT_FIRST = 3
_MOST_BY_CHANCE = 12
_MOST_LATER = 50
_ADVICE = {
    "unreadable": "Use a model that keeps to the form, or raise the limit of tokens if it is cut "
    "off; the replies are not kept, and the same command asks again.",
    "refused": "Change the settings that it names; nothing refused is kept, and the same command "
    "asks again.",
    "too_long": "Lower the limit of tokens, or use a model with a longer context.",
    "filtered": "Use a server that takes these texts.",
    "busy": "Lower --in-flight or set limits a minute, then run the same command again.",
}
_WAIT = "See what is wrong with the server, then run the same command again."


class FailureStreak:
    """Counts requests that failed one after another, whatever they asked.

    Args:
        endpoint: The server.
        has_worked: Whether the server has answered well in an earlier run.
    """

    def __init__(self, endpoint: EndpointSettings, *, has_worked: bool = False) -> None:
        self._endpoint = endpoint
        self._has_worked = has_worked
        self._kinds: Counter[str] = Counter()
        self._last = ("", "")

    def good(self) -> None:
        """Ends the streak: an answer came, and was of use."""
        self._has_worked = True
        self._kinds.clear()

    def bad(self, kind: "FailureKind | str", detail: str) -> None:
        """Counts a request that failed.

        Args:
            kind: A failure's kind, or "unreadable" for a reply of no use.
            detail: What was seen.

        Raises:
            PaloError: If so many have failed that the next ones will, too.
        """
        if kind == "budget":
            return
        self._kinds[kind] += 1
        self._last = kind, detail
        if self._kinds.total() >= self._most():
            raise self._error()

    def require_some_good(self) -> None:
        """Raises PaloError if nothing but failures came, in this run and before."""
        if not self._has_worked and self._kinds:
            raise self._error()

    def _most(self) -> int:
        if self._has_worked:
            return max(_MOST_LATER, 2 * self._endpoint.in_flight)
        by_chance = any(self._kinds[kind] for kind in _CHANCE)
        return _MOST_BY_CHANCE if by_chance else _MOST_AT_FIRST

    def _error(self) -> PaloError:
        kind, detail = self._last
        counts = ", ".join(f"{count:,} {name}" for name, count in self._kinds.most_common())
        ends = "gives no more answers of use" if self._has_worked else "gives no answer of use"
        fact = f"{self._endpoint.url} with {self._endpoint.model} {ends} ({counts})"
        is_passing = kind not in _ADVICE or kind == "busy"
        wrong = ResourceError if is_passing else ConfigError
        return wrong(fact, seen=detail.rstrip(". "), fix=_ADVICE.get(kind, _WAIT))
