"""Says when a stage that was doing steps does none for long, and which worker holds it up."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from palo import storage
from palo.errors import StorageError
from palo.progress import duration
from palo.train.metrics import read_metrics
from palo.train.pulse import Board, Pulse, StallTimes
from palo.train.stage_files import StageFiles
from palo.train.stall_cause import Stall, explained, find_stall

_RECENT = 20


class StallWatch:
    """Looks at a stage's metrics, which grow with each step, and at its workers' signs of life.

    Args:
        metrics: File of the metrics, which may not exist yet.
        times: What happens when.
        say: Gets a line.
        output: Folder of the stage, where the stacks of workers go.
        clock: Tells seconds.

    Attributes:
        cause: Who holds the stage up, in words, since that was told; None again once workers are at
            work.
    """

    def __init__(
        self,
        metrics: Path,
        times: StallTimes,
        say: Callable[[str], None],
        output: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cause: str | None = None
        self._metrics = metrics
        self._times = times
        self._say = say
        self._stacks = StageFiles(output).stacks
        self._clock = clock
        self._size = self._size_now()
        self._grew_at: float | None = None  # nothing is missed before workers are at work
        self._say_after_s = 0.0
        self._board: Board | None = None
        self._read_at = clock()
        self._pulses: dict[int, Pulse] = {}
        self._beat_at: dict[int, float] = {}

    def look(self, board: Board | None = None) -> None:
        """Says once for how long no step was done, and again each time that has doubled.

        Args:
            board: Where the workers of this attempt leave their signs of life, if there are any.
        """
        now = self._clock()
        self._follow(board, now)
        if (size := self._size_now()) != self._size:
            self._size = size
            self._at_work(now)
        least_s = max(self._times.tell_s, self._say_after_s)
        if self._grew_at is None or now - self._grew_at < least_s:
            return
        waited_s = now - self._grew_at
        usual = sorted(one.step_s for one in read_metrics(self._metrics)[-_RECENT:])
        if usual and waited_s < self._times.tell_steps * usual[(len(usual) - 1) // 2]:
            return
        self._say_after_s = 2 * waited_s
        self._say(f"no step for {duration(waited_s)}: {self._explained(now, waited_s)}")

    def _follow(self, board: Board | None, now: float) -> None:
        """Takes the newest signs of life."""
        if board is not self._board:  # other workers, which don't miss a step before they are there
            self._board, self._grew_at = board, None
            self._pulses, self._beat_at = {}, {}
        if board is None or now - self._read_at < self._times.beat_s:
            return
        self._read_at = now
        for pulse in board.read():
            before = self._pulses.get(pulse.rank)
            if before is None or before.beat != pulse.beat:
                self._pulses[pulse.rank], self._beat_at[pulse.rank] = pulse, now
        if self._grew_at is None and self._pulses:
            self._at_work(now)

    def _at_work(self, now: float) -> None:
        self._grew_at, self._say_after_s, self.cause = now, 0.0, None

    def _explained(self, now: float, waited_s: float) -> str:
        """Returns why there was no step, as far as it is known."""
        limit = f"others wait up to {duration(self._times.give_up_s)}"
        if not self._pulses:
            return f"workers start, save or evaluate, or one of them hangs; {limit}"
        away_s = {rank: now - at for rank, at in self._beat_at.items()}
        silent_s = {rank: s for rank, s in away_s.items() if s > self._times.silent_s}
        stall = find_stall(list(self._pulses.values()), silent_s)
        if not silent_s and max(one.phase_s for one in stall.held_by) < waited_s / 2:
            step = max(one.step for one in stall.held_by)
            return f"but the workers go on, at step {step:,}; the run folder doesn't show it"
        self.cause = explained(stall)
        return f"{self.cause}; {limit}{self._kept_stacks(stall)}"

    def _kept_stacks(self, stall: Stall) -> str:
        """Writes where the workers' threads are; returns where that is written."""
        text = _stacks_of([*stall.held_by, *stall.waiting])
        if not text:
            return ""
        try:
            storage.write_text(self._stacks, text)
        except StorageError as error:
            return f"; {self._stacks.name} can't be written: {error.fact}"
        return f"; {self._stacks} has their stacks"

    def _size_now(self) -> int:
        try:
            return self._metrics.stat().st_size
        except FileNotFoundError:
            return 0


def _stacks_of(pulses: Sequence[Pulse]) -> str:
    parts = (
        f"worker {pulse.rank} on node {pulse.node}, process {pulse.process}\n{pulse.stacks}\n"
        for pulse in pulses
        if pulse.stacks
    )
    return "\n".join(parts)
