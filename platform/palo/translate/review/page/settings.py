"""Settings and texts of the review page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from palo.security.access import is_loopback
from palo.security.forwarded import ProxySettings
from palo.webui.texts import PageTexts, read_texts
from palo.webui.usage import QuotaSettings

FOLDER = Path(__file__).parent / "texts"
"""Folder of the texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewPage:
    """A page where people review translations.

    Attributes:
        folder: The review.
        images: Folder that the images' paths start from; by default the folder where it is
            started.
        host: Address to listen on; only this machine can reach the default.
        port: Port to listen on.
        key_file: File of keys, see jobs/keys.py: reviewers log in with theirs, and the key's name
            is theirs. Without it everybody types a name, which only this machine may allow.
        proxy: The reverse proxy in front of the page, if there is one.
        second_share: Share of the translations that two reviewers see.
        quotas: How much of the page one reviewer may use.
    """

    folder: Path
    images: Path | None = None
    host: str = "127.0.0.1"
    port: int = 7861
    key_file: Path | None = None
    proxy: ProxySettings = field(default_factory=ProxySettings)
    second_share: float = 0.2
    quotas: QuotaSettings = field(default_factory=QuotaSettings)

    def faults(self) -> Iterator[str]:
        """Yields what is out of range or not safe."""
        if not 0 < self.port < 65536:
            yield f"port is {self.port} but must be from 1 to 65535"
        if not 0 <= self.second_share <= 1:
            yield f"second_share is {self.second_share} but must be from 0 to 1"
        if self.key_file is None and not is_loopback(self.host):
            yield (
                f"host {self.host} can be reached by others, who could write under any name: "
                "give a key_file"
            )
        if self.key_file is None and self.proxy.public_url:
            yield "proxy.public_url is for a page with a login: give a key_file"


def review_texts(code: str) -> PageTexts:
    """Returns the texts of a language; English ones for a language that has none yet.

    Args:
        code: ISO code of the language.
    """
    return read_texts(FOLDER, code, "review_page")
