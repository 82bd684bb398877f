"""Quotas of a page's visitors, and their use at the moment."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from enum import StrEnum

from palo.api_errors import APIError, APIErrorCode
from palo.security.http_limits import BodyBounds

_MINUTE_S = 60.0
_BUSY_RETRY_S = 2.0
_MAX_VISITORS = 10_000
# Bytes of a form around the files that are uploaded with it.
_FORM_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaSettings:
    """Quotas of one visitor of a page, and of all of them together.

    Attributes:
        bodies: Bodies of requests, but for uploads.
        upload_idle_s: Longest time in which nothing of an upload comes.
        upload_total_s: Longest time until a whole upload is here.
        reads_per_minute: Requests for the files of the page.
        calls_per_minute: Requests that make the page do something, uploads included.
        calls: Such requests at once.
        uploads: Uploads at once.
        streams: Open streams of events; each open page has up to three.
        all_streams: Those of all visitors together.
        unread_calls: Calls of one open page while it has no stream open that reads their events.
        answers: Answers at once; comparing two models takes two.
        all_answers: Those of all visitors together.
        sessions: Open pages whose conversations are remembered; older ones are forgotten.
        all_sessions: Those of all visitors together.
        files: Uploaded files that are kept; older ones are deleted.
        file_bytes: Their bytes.
        all_file_bytes: Bytes of all visitors' files together.
    """

    bodies: BodyBounds = field(
        default_factory=lambda: BodyBounds(max_bytes=2 << 20, max_all_bytes=64 << 20, total_s=30)
    )
    upload_idle_s: float = 15.0
    upload_total_s: float = 300.0
    reads_per_minute: int = 3000
    calls_per_minute: int = 300
    calls: int = 32
    uploads: int = 4
    streams: int = 40
    all_streams: int = 1000
    unread_calls: int = 50
    answers: int = 6
    all_answers: int = 100
    sessions: int = 20
    all_sessions: int = 500
    files: int = 50
    file_bytes: int = 200 << 20
    all_file_bytes: int = 4 << 30

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for each in fields(self):
            value = getattr(self, each.name)
            if not isinstance(value, BodyBounds) and value <= 0:
                yield f"{each.name} is {value} but must be above 0"
        for one in ("streams", "answers", "sessions", "file_bytes"):
            if getattr(self, f"all_{one}") < getattr(self, one):
                yield f"all_{one} must be at least {one}"

    def uploads_of(self, max_file_bytes: int) -> BodyBounds:
        """Returns the bounds of an upload's body.

        Args:
            max_file_bytes: Largest file.
        """
        return BodyBounds(
            max_bytes=max_file_bytes + _FORM_BYTES,
            max_all_bytes=max(self.file_bytes, max_file_bytes + _FORM_BYTES),
            idle_s=self.upload_idle_s,
            total_s=self.upload_total_s,
        )


class RequestKind(StrEnum):
    """Kinds of requests, each with limits of its own."""

    READ = "requests"
    CALL = "calls"
    UPLOAD = "uploads"
    STREAM = "streams"


class UsageLimits:
    """Admits requests of visitors within their quotas.

    Args:
        settings: The quotas.
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
    def admitted(self, visitor: str, kind: RequestKind, session: str = "") -> Iterator[None]:
        """Reserves a place for a request during the block.

        Args:
            visitor: Name of its visitor.
            kind: Its kind.
            session: For a stream, the open page that reads it.

        Raises:
            APIError: If nothing of the quota is left, with the time until there is.
        """
        known = self._visitor(visitor)
        self._count(known, kind)
        self._require_place(known, kind)
        known.running[kind] += 1
        if kind is RequestKind.STREAM:
            self._num_streams += 1
            known.reading[session] += 1
            known.unread.pop(session, None)
        try:
            yield
        finally:
            known.running[kind] -= 1
            if kind is RequestKind.STREAM:
                self._num_streams -= 1
                known.reading -= Counter([session])

    def require_reader(self, visitor: str, session: str) -> None:
        """Counts a call whose events must be read: they wait in memory until then.

        Args:
            visitor: Name of its visitor.
            session: The open page that it comes from.

        Raises:
            APIError: If too many are unread.
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

    def _count(self, known: "_Visitor", kind: RequestKind) -> None:
        """Counts a request in its minute; streams are counted while they are open."""
        now = self._clock()
        if now - known.minute_s >= _MINUTE_S:
            known.minute_s = now
            known.counted.clear()
        is_call = kind in (RequestKind.CALL, RequestKind.UPLOAD)
        name = RequestKind.CALL if is_call else RequestKind.READ
        limit = self._settings.calls_per_minute if is_call else self._settings.reads_per_minute
        if known.counted[name] >= limit:
            raise _too_many(f"{name} a minute", known.minute_s + _MINUTE_S - now)
        known.counted[name] += 1

    def _require_place(self, known: "_Visitor", kind: RequestKind) -> None:
        limits = {
            RequestKind.CALL: self._settings.calls,
            RequestKind.UPLOAD: self._settings.uploads,
            RequestKind.STREAM: self._settings.streams,
        }
        if kind in limits and known.running[kind] >= limits[kind]:
            raise _too_many(f"{kind} at once", _BUSY_RETRY_S)
        if kind is RequestKind.STREAM and self._num_streams >= self._settings.all_streams:
            raise APIError(
                "too many people have this page open",
                fix="Try again in a minute.",
                code=APIErrorCode.OVERLOADED,
                retry_after_s=_MINUTE_S,
            )


class _Visitor:
    def __init__(self, now: float) -> None:
        self.minute_s = now
        self.counted: Counter[RequestKind] = Counter()
        self.running: Counter[RequestKind] = Counter()
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


class FairCache:
    """Entries with their sizes, by visitor.

    When a visitor has too much, their own oldest entry goes. When all together have too much, the
    oldest of the visitor with most goes: keeping more pushes out no entries of others.

    Args:
        max_entries: Most entries of one visitor.
        max_size: Largest sum of one visitor's sizes.
        max_total_size: Largest sum of all sizes.
    """

    def __init__(self, *, max_entries: int, max_size: int, max_total_size: int) -> None:
        self._max_entries = max_entries
        self._max_size = max_size
        self._max_total_size = max_total_size
        self._entries: dict[str, OrderedDict[str, int]] = {}
        self._sizes: Counter[str] = Counter()
        self._num_keepers: Counter[str] = Counter()

    @property
    def total_size(self) -> int:
        """Sum of all sizes."""
        return self._sizes.total()

    def keep(self, visitor: str, name: str, size: int) -> list[str]:
        """Keeps an entry as a visitor's latest; returns the names that no visitor keeps any more.

        Args:
            visitor: Name of its visitor.
            name: The entry. Several visitors may keep the same.
            size: Its size.
        """
        self._drop(visitor, name)
        self._entries.setdefault(visitor, OrderedDict())[name] = size
        self._sizes[visitor] += size
        self._num_keepers[name] += 1
        gone = []
        while self._has_too_much(visitor):
            gone += self._drop_oldest(visitor)
        while self.total_size > self._max_total_size:
            ((heaviest, _),) = self._sizes.most_common(1)
            gone += self._drop_oldest(heaviest)
        return gone

    def _has_too_much(self, visitor: str) -> bool:
        num_entries = len(self._entries.get(visitor, ()))
        return num_entries > self._max_entries or self._sizes[visitor] > self._max_size

    def _drop_oldest(self, visitor: str) -> list[str]:
        name = next(iter(self._entries[visitor]))
        self._drop(visitor, name)
        return [] if name in self._num_keepers else [name]

    def _drop(self, visitor: str, name: str) -> None:
        entries = self._entries.get(visitor)
        if entries is None or name not in entries:
            return
        self._sizes[visitor] -= entries.pop(name)
        self._num_keepers[name] -= 1
        if not self._num_keepers[name]:
            del self._num_keepers[name]
        if not entries:
            del self._entries[visitor], self._sizes[visitor]
