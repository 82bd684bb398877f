"""How much of a page one visitor may use, and all of them together."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from palo.security.http_limits import BodyBounds

# What a form adds to the files that are uploaded with it.
_FORM_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaSettings:
    """How much of a page one visitor may use, and all of them together.

    Attributes:
        bodies: Bodies of requests, but for uploads.
        upload_idle_s: Longest time in which nothing of an upload comes.
        upload_total_s: Longest time until a whole upload is here.
        reads_per_minute: Requests for what the page consists of and shows.
        calls_per_minute: Requests that make the page do something, uploads included.
        calls: Such requests at once.
        uploads: Uploads at once.
        streams: Open streams of events; each open page has up to three.
        all_streams: Those of all visitors together.
        unread_calls: Calls of one open page while it has no stream open that reads what they say.
        answers: Answers at once; comparing two models takes two.
        all_answers: Those of all visitors together.
        sessions: Open pages whose conversations are remembered; older ones are forgotten.
        all_sessions: Those of all visitors together.
        files: Uploaded files that are kept; older ones are deleted.
        file_bytes: Their bytes.
        all_file_bytes: Bytes of all visitors' files together.
        trust_forwarded_for: Tells visitors who haven't logged in apart by the last address in
            `X-Forwarded-For`. Only for a page behind a proxy that adds it.
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
    trust_forwarded_for: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for each in fields(self):
            value = getattr(self, each.name)
            if not isinstance(value, BodyBounds | bool) and value <= 0:
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
