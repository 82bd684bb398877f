"""Settings of the chat page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from palo.client import Endpoint
from palo.endpoint.credentials import way_faults
from palo.security.forwarded import ProxySettings
from palo.serve.chat_page.chat import ChatBounds
from palo.serve.chat_page.feedback import FeedbackBounds
from palo.webui.usage import QuotaSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class PageSettings:
    """A chat page.

    Attributes:
        endpoint: The server that answers. Its key, if it has one, is used for everybody who can
            open the page.
        login: Asks everybody for a key of their own.
        proxy: The reverse proxy in front of the page, if there is one.
        feedback: Folder, on a disk or on S3, for the answers that people rated good or bad.
        feedback_bounds: Bounds of that folder.
        chat_bounds: Bounds of a chat's length.
        quotas: Quotas of visitors.
        max_image_bytes: Largest file that can be added.
        max_length: Most tokens that people can ask for.
        train_command: What people are told to run while the server has no model; empty for a server
            whose models don't follow trainings.
    """

    endpoint: Endpoint = field(default_factory=Endpoint)
    login: bool = False
    proxy: ProxySettings = field(default_factory=ProxySettings)
    feedback: Path = Path("runs/feedback")
    feedback_bounds: FeedbackBounds = field(default_factory=FeedbackBounds)
    chat_bounds: ChatBounds = field(default_factory=ChatBounds)
    quotas: QuotaSettings = field(default_factory=QuotaSettings)
    max_image_bytes: int = 20 << 20
    max_length: int = 1024
    train_command: str = ""

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.login and self.endpoint.api_key:
            yield "login asks for keys but the endpoint has one for everybody: give one of the two"
        if self.login:
            yield from way_faults(
                self.endpoint.url, allow_insecure_http=self.endpoint.allow_insecure_http
            )
        elif self.proxy.public_url:
            yield "a page without a login is for this machine alone, so it has no proxy.public_url"
        if not 1 <= self.max_image_bytes <= self.quotas.file_bytes:
            yield (
                f"max_image_bytes is {self.max_image_bytes} but must be from 1 to "
                f"quotas.file_bytes, {self.quotas.file_bytes}"
            )
        if self.max_length < 1:
            yield f"max_length is {self.max_length} but must be at least 1"
