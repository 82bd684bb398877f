"""Progress of a stage on the terminal, read from the files that it writes."""

import shutil
import sys
import time
from pathlib import Path

from palo.progress import duration
from palo.terminal import one_line
from palo.train.eval_callback import read_notes
from palo.train.metrics import StepMetrics
from palo.train.screen import progress_line, screen_lines, validation_line
from palo.train.stage_files import StageFiles
from palo.train.stage_state import StageReader, StageState

_LINE_EVERY_S = 15.0
_DRAW_EVERY_S = 1.0


class TrainingProgress:
    """Shows how a stage goes: a few lines on a terminal, drawn anew in place; else a short log.

    Until the first step it says now and then for how long the workers have been starting.

    Args:
        name: What is running.
        files: Its files, which may not exist yet.
        notes: File of notes to show as they come, which may not exist yet either.
    """

    def __init__(self, name: str, files: StageFiles, notes: Path | None = None) -> None:
        self._name = name
        self._files = files
        self._reader = StageReader(files)
        self._notes = notes
        self._told = set(read_notes(notes)) if notes else set()
        before = self._reader.read()
        self._last_before = _last(before)
        self._shown = self._last_before
        self._num_events = len(before.events)
        self._last_validation = before.validations[-1].step if before.validations else 0
        self._started = time.monotonic()
        self._next_show = self._started
        self._next_wait_line = self._started + _LINE_EVERY_S
        self._live = sys.stdout.isatty()
        self._num_drawn = 0

    @property
    def has_begun(self) -> bool:
        """Whether a step was done since this was made."""
        metrics = self._reader.metrics()
        return bool(metrics) and metrics[-1] != self._last_before

    def update(self) -> StageState | None:
        """Reads what is new and shows it, at most every few seconds.

        Returns:
            The stage, where it was read.
        """
        if time.monotonic() < self._next_show:
            return None
        state = self._reader.read()
        self._tell(state)
        last = _last(state)
        erased = self._live and self._num_drawn == 0 and last != self._last_before
        if last is not None and (last != self._shown or erased):
            self._show(state)
        elif last == self._last_before and time.monotonic() >= self._next_wait_line:
            self._next_wait_line += _LINE_EVERY_S
            waited = duration(time.monotonic() - self._started)
            self.say(f"the workers have been starting for {waited}")
        return state

    def finish(self) -> StageState:
        """Shows the last state.

        Returns:
            The stage.
        """
        state = self._reader.read()
        self._tell(state)
        if _last(state) not in (None, self._shown):
            self._show(state)
        self._num_drawn = 0  # it stays on the screen
        return state

    def say(self, text: str) -> None:
        """Prints a line of its own.

        Args:
            text: What to print.
        """
        self._erase()
        print(f"{self._name}  {one_line(text)}", flush=True)

    def _tell(self, state: StageState) -> None:
        for note in read_notes(self._notes) if self._notes else ():
            if note not in self._told:
                self._told.add(note)
                self.say(note)
        for event in state.events[self._num_events :]:
            self.say(event.note)
        self._num_events = len(state.events)
        for validation in state.validations:
            # Those of steps that a resumed stage does again are told again.
            if validation.step > self._last_validation and not self._live:
                self.say(validation_line(validation))
        if state.validations:
            self._last_validation = state.validations[-1].step

    def _show(self, state: StageState) -> None:
        self._shown = _last(state)
        self._next_show = time.monotonic() + (_DRAW_EVERY_S if self._live else _LINE_EVERY_S)
        if not self._live:
            print(progress_line(self._name, state), flush=True)
            return
        size = shutil.get_terminal_size()
        lines = screen_lines(self._name, state, size.columns - 1)[: size.lines - 1]
        self._erase()
        print("\n".join(lines), flush=True)
        self._num_drawn = len(lines)

    def _erase(self) -> None:
        """Removes the lines that were drawn last; the cursor is below them."""
        if self._num_drawn:
            print(f"\x1b[{self._num_drawn}F\x1b[J", end="")
            self._num_drawn = 0


def _last(state: StageState) -> StepMetrics | None:
    return state.metrics[-1] if state.metrics else None
