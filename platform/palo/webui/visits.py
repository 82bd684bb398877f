"""What visitors do at the moment and did in the last minute, against their quotas."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from palo.api_errors import APIError, APIErrorCode
from palo.webui.quota_settings import QuotaSettings

_MINUTE_S = 60.0
_BUSY_RETRY_S = 2.0
_MAX_VISITORS = 10_000


class Kind(StrEnum):
    """What a request of a visitor is for."""

    READ = "requests"
    CALL = "calls"
    UPLOAD = "uploads"
    STREAM = "streams"


class Visits:
    """Lets requests of visitors in as long as they have something left.

    Args:
        settings: How much they have.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, settings: QuotaSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()
        self._num_streams = 0

    @contextmanager
    def admitted(self, visitor: str, kind: Kind, session: str = "") -> Iterator[None]:
        """Keeps a place for a request during the block.

        Args:
            visitor: Whose request it is.
            kind: What it is for.
            session: For a stream, the open page that reads it.

        Raises:
            Refusal: If they have nothing left, with the time until they have.
        """
        known = self._visitor(visitor)
        self._count(known, kind)
        self._require_place(known, kind)
        known.running[kind] += 1
        if kind is Kind.STREAM:
            self._num_streams += 1
            known.reading[session] += 1
            known.unread.pop(session, None)
        try:
            yield
        finally:
            known.running[kind] -= 1
            if kind is Kind.STREAM:
                self._num_streams -= 1
                known.reading -= Counter([session])

    def require_reader(self, visitor: str, session: str) -> None:
        """Counts a call whose events somebody has to read: they wait in memory until then.

        Raises:
            Refusal: If too many are unread.
        """
        known = self._visitor(visitor)
        if known.reading[session]:
            return
        known.unread[session] += 1
        if len(known.unread) > self._settings.sessions:
            known.unread.pop(next(iter(known.unread)))
        if known.unread[session] > self._settings.unread_calls:
            raise _too_many("calls whose events nobody reads", _BUSY_RETRY_S)

    def _visitor(self, name: str) -> "_Visitor":
        known = self._visitors.setdefault(name, _Visitor(self._clock()))
        self._visitors.move_to_end(name)
        if len(self._visitors) > _MAX_VISITORS:
            idle = next((key for key, one in self._visitors.items() if not one.is_here), name)
            if idle != name:
                del self._visitors[idle]
        return known

    def _count(self, known: "_Visitor", kind: Kind) -> None:
        """Counts a request in its minute; streams are counted while they are open."""
        now = self._clock()
        if now - known.minute_s >= _MINUTE_S:
            known.minute_s = now
            known.counted.clear()
        is_call = kind in (Kind.CALL, Kind.UPLOAD)
        name = Kind.CALL if is_call else Kind.READ
        limit = self._settings.calls_per_minute if is_call else self._settings.reads_per_minute
        if known.counted[name] >= limit:
            raise _too_many(f"{name} a minute", known.minute_s + _MINUTE_S - now)
        known.counted[name] += 1

    def _require_place(self, known: "_Visitor", kind: Kind) -> None:
        limits = {
            Kind.CALL: self._settings.calls,
            Kind.UPLOAD: self._settings.uploads,
            Kind.STREAM: self._settings.streams,
        }
        if kind in limits and known.running[kind] >= limits[kind]:
            raise _too_many(f"{kind} at once", _BUSY_RETRY_S)
        if kind is Kind.STREAM and self._num_streams >= self._settings.all_streams:
            raise APIError(
                "too many people have this page open",
                fix="Try again in a minute.",
                code=APIErrorCode.OVERLOADED,
                retry_after_s=_MINUTE_S,
            )


class _Visitor:
    def __init__(self, now: float) -> None:
        self.minute_s = now
        self.counted: Counter[Kind] = Counter()
        self.running: Counter[Kind] = Counter()
        self.reading: Counter[str] = Counter()
        self.unread: Counter[str] = Counter()

    @property
    def is_here(self) -> bool:
        return any(self.running.values())


def _too_many(what: str, wait_s: float) -> APIError:
    return APIError(
        f"there are too many {what} of one visitor",
        fix=f"Try again in {max(1, round(wait_s))} s.",
        code=APIErrorCode.RATE_LIMIT_EXCEEDED,
        retry_after_s=wait_s,
    )
