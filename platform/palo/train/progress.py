"""Progress of a stage on the terminal, read from its metrics file."""

import sys
import time
from pathlib import Path

from palo.progress import duration
from palo.train.eval_callback import read_notes
from palo.train.metrics import StepMetrics, eta_s, read_metrics

_LINE_EVERY_S = 15.0
_RECENT = 20


class TrainingProgress:
    """Shows loss, speed, wait for data and time left; a live line on a terminal, else a log.

    Until the first step it says now and then for how long the workers have been starting.

    Args:
        name: What is running.
        path: Its metrics file, which may not exist yet.
        notes: File of notes to show as they come, which may not exist yet either.
    """

    def __init__(self, name: str, path: Path, notes: Path | None = None) -> None:
        self._name = name
        self._path = path
        self._notes = notes
        self._told = set(read_notes(notes)) if notes else set()
        self._before = read_metrics(path)
        self._shown_step = self._before[-1].step if self._before else -1
        self._started = time.monotonic()
        self._next_line = self._started
        self._next_wait_line = self._started + _LINE_EVERY_S
        self._live = sys.stdout.isatty()

    @property
    def has_begun(self) -> bool:
        """Whether a step was done since this was made."""
        return any(one not in self._before for one in read_metrics(self._path)[-1:])

    def update(self) -> None:
        """Reads new metrics and shows the latest, at most every few seconds in a log."""
        if not self._live and time.monotonic() < self._next_line:
            return
        self._tell()
        metrics = read_metrics(self._path)
        if metrics and metrics[-1].step != self._shown_step:
            self._show(metrics)
        elif metrics == self._before and time.monotonic() >= self._next_wait_line:
            self._next_wait_line += _LINE_EVERY_S
            waited = duration(time.monotonic() - self._started)
            self.say(f"the workers have been starting for {waited}")

    def finish(self) -> None:
        """Shows the last state and ends the live line."""
        self._tell()
        metrics = read_metrics(self._path)
        if metrics and metrics[-1].step != self._shown_step:
            self._show(metrics)
        if self._live and self._shown_step >= 0:
            print(flush=True)

    def say(self, text: str) -> None:
        """Prints a line of its own.

        Args:
            text: What to print.
        """
        print(f"\n{self._name}  {text}" if self._live else f"{self._name}  {text}", flush=True)

    def _tell(self) -> None:
        for note in read_notes(self._notes) if self._notes else ():
            if note not in self._told:
                self._told.add(note)
                self.say(note)

    def _show(self, metrics: list[StepMetrics]) -> None:
        self._shown_step = metrics[-1].step
        self._next_line = time.monotonic() + _LINE_EVERY_S
        line = progress_line(self._name, metrics)
        print(
            f"\r\x1b[2K{line}" if self._live else line, end="" if self._live else "\n", flush=True
        )


def progress_line(name: str, metrics: list[StepMetrics]) -> str:
    """Returns a line about the latest step, with speeds over the latest 20.

    Args:
        name: The stage's name.
        metrics: The steps so far, at least one.
    """
    last, recent = metrics[-1], metrics[-_RECENT:]
    seconds = sum(m.step_s for m in recent)
    tokens = sum(m.num_tokens for m in recent) / seconds
    wait = sum(m.data_wait_s for m in recent) / seconds
    return (
        f"{name}  step {last.step + 1}/{last.num_steps}  loss {last.loss:.4f}  "
        f"{tokens:,.0f} tokens/s  data wait {wait:.1%}  {duration(eta_s(metrics))} left"
    )
