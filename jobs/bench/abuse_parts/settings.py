"""Settings of the abuse bench."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["all", "parsers", "tenants", "waits"]
Role = Literal["stranger", "client", "visitor"]
"""A client without a key, one with a key, and a visitor of the chat page who has logged in."""

ROLES: tuple[Role, ...] = ("stranger", "client", "visitor")


@dataclass(frozen=True, kw_only=True, slots=True)
class AbuseBench:
    """Settings of the abuse bench.

    Attributes:
        part: What to measure: how the time of each parser grows, whether first-token times tell
            one tenant what another asked, how long /healthz waits under attack, or all of them.
        output: Folder of the result file; the repository's own by default, for whole runs only.
        cache: Folder for models, and for the figures of a run that was stopped.
        keep: Leave the models there.
        roles: Who attacks, all at once.
        attack_s: Seconds that they do.
        quiet_s: Seconds of probing before anybody attacks, for comparison.
        concurrency: Requests of each attacker at once.
        tries: Guesses of each kind in the measurement of first-token times.
        endpoint: Address of a running endpoint to attack instead of one of the bench's own.
        page: Address of its chat page.
        key: API key for it.
        seed: Seed of weights and images.
    """

    part: Part = "all"
    output: Path | None = None
    cache: Path = Path(".cache/bench-abuse")
    keep: bool = False
    roles: tuple[Role, ...] = ROLES
    attack_s: float = 60.0
    quiet_s: float = 20.0
    concurrency: int = 4
    tries: int = 200
    endpoint: str = ""
    page: str = ""
    key: str = ""
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("attack_s", "quiet_s", "concurrency", "tries"):
            if getattr(self, name) <= 0:
                yield f"{name} is {getattr(self, name)} but must be above 0"
        if self.output is None and self.part != "all":
            yield "a part alone makes no result to keep: name another output folder"
        if bool(self.endpoint) != bool(self.page and self.key):
            yield "endpoint, page and key belong together"

    def runs(self, part: Part) -> bool:
        """Returns whether a part is wanted."""
        return self.part in ("all", part)
