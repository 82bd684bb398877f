"""What the translation bench measures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslateBench:
    """Settings of the translation bench.

    Attributes:
        output: Folder of the result file; the repository's own by default.
        cache: Folder for inputs and jobs; emptied before each run.
        conversations: Conversations of each run through the server.
        alone: Conversations that the loop of single requests asks for.
        in_flight: Requests at a time.
        latency_s: Time that the server takes for an answer.
        repeats: Runs of each side, in turn.
        kills: How often the killed job is killed.
        killed_conversations: Its conversations.
        fault_share: Share of them that meet a fault.
        seed: Seed of conversations and kills.
    """

    output: Path | None = None
    cache: Path = Path(".cache/translate-bench")
    conversations: int = 2000
    alone: int = 60
    in_flight: int = 64
    latency_s: float = 0.05
    repeats: int = 3
    kills: int = 20
    killed_conversations: int = 800
    fault_share: float = 0.3
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("conversations", "alone", "in_flight", "repeats", "killed_conversations"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if self.latency_s < 0:
            yield f"latency_s must not be negative, as {self.latency_s} is"
        if not 0 <= self.fault_share <= 1:
            yield f"fault_share must be from 0 to 1, not {self.fault_share}"
