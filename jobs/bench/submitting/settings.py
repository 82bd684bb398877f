"""Settings of the bench of submissions, and its list of jobs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MIX = {
    "succeeds": 2,
    "fails": 2,
    "stopped": 2,
    "stopped-at-once": 1,
    "attached-again": 1,
    "killed": 1,
    "killed-with-actors": 1,
}
"""What becomes of jobs, and how many of ten it is."""
WHOLE = 300
"""Jobs of a whole run."""


class Case(NamedTuple):
    """A job.

    Attributes:
        number: Its number, from 0.
        fate: What becomes of it.
    """

    number: int
    fate: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmissionsBench:
    """Settings of the bench of submissions.

    Attributes:
        output: Folder of the result file; the repository's own by default, for a whole run only.
        cache: Where portions that are done are kept: the same command goes on after them.
        count: Jobs in all.
        portion: Jobs on one head; each portion has a new one.
        at_once: Jobs at once.
        code_every: After how many jobs the code that is sent changes.
        settle_s: How long what a portion leaves may take to go, in seconds.
        stop_after_s: After how many seconds no other portion begins; None for all in one go.
        seed: Seed of the order of jobs.
    """

    output: Path | None = None
    cache: Path = Path(".cache/bench-submissions")
    count: int = WHOLE
    portion: int = 60
    at_once: int = 4
    code_every: int = 10
    settle_s: float = 60.0
    stop_after_s: float | None = None
    seed: int = 0

    def portions(self) -> list[list[Case]]:
        """Returns the jobs of each portion, the same for one seed."""
        fates = [fate for fate, share in MIX.items() for _ in range(share)]
        repeated = [fates[number % len(fates)] for number in range(self.count)]
        random.Random(self.seed).shuffle(repeated)  # noqa: S311 - an order
        cases = [Case(number, fate) for number, fate in enumerate(repeated)]
        return [cases[at : at + self.portion] for at in range(0, self.count, self.portion)]

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("count", "portion", "at_once", "code_every"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, but must be at least 1"
        if self.output is None and self.count < WHOLE:
            yield f"fewer than {WHOLE} jobs make no result to keep: name another output folder"
