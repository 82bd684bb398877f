"""Runs one step's process: its order, its log, and how it ended."""

import re
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from palo import config, storage
from palo.account import cache_folder
from palo.ray_start import EXIT_INTERRUPTED
from palo.reproduce.child import run_step
from palo.reproduce.record import FOLDER
from palo.reproduce.settings import StepName
from palo.reproduce.step_process import StepOrder

_EXIT_INCOMPLETE = 3
# Python ends so before it has a handler.
_EXIT_STOPPED = (EXIT_INTERRUPTED, -signal.SIGTERM)
_ERROR = re.compile(r"^(?:error|incomplete): (.+)$", re.MULTILINE)
_KEPT_CHARACTERS = 4000


@dataclass(frozen=True, kw_only=True, slots=True)
class StepEnd:
    """How a step's process ended.

    Attributes:
        how: done; stopped by Ctrl-C or SIGTERM, with its checkpoint; incomplete: in order, but
            some requests got no answer; failed.
        why: Its error in one line, where it has failed.
    """

    how: Literal["done", "stopped", "incomplete", "failed"]
    why: str = ""


def log_file(run: Path, step: StepName) -> Path:
    """Returns the file with what a step said.

    Args:
        run: The run folder.
        step: The step.
    """
    return run / FOLDER / "logs" / f"{step}.log"


def run_order(order: StepOrder, look: Callable[[str], None]) -> StepEnd:
    """Runs a step in a process of its own, to its end.

    Args:
        order: The step.
        look: Called several times a second with the latest of what it said.
    """
    log = log_file(order.recipe.output, order.step)
    local = _on_disk(log)
    tail = ""

    def pass_on(text: str) -> None:
        nonlocal tail
        sys.stdout.write(text)
        sys.stdout.flush()
        tail = (tail + text)[-_KEPT_CHARACTERS:]
        look(tail)

    with tempfile.TemporaryDirectory(prefix="palo-step-") as folder:
        path = Path(folder) / "order.json"
        storage.write_json(path, config.to_dict(order))
        module = ["-P", "-m", "palo.reproduce.step_process"]
        code = run_step([sys.executable, *module, str(path)], local, pass_on)
    if local != log:
        storage.copy_file(local, log)
    return _end_of(code, tail)


def _on_disk(log: Path) -> Path:
    """Where a log grows: on a disk of this machine if the run lies on S3."""
    if not isinstance(log, storage.S3Path):
        return log
    return cache_folder() / "logs" / config.fingerprint(str(log)) / log.name


def _end_of(code: int, tail: str) -> StepEnd:
    if code == 0:
        return StepEnd(how="done")
    if code in _EXIT_STOPPED:
        return StepEnd(how="stopped")
    if code < 0:
        return StepEnd(how="failed", why=f"killed by {signal.Signals(-code).name}")
    lines = _ERROR.findall(tail) or tail.strip().splitlines()[-1:] or ["no word"]
    why = f"{lines[-1]} (exit code {code})"
    return StepEnd(how="incomplete" if code == _EXIT_INCOMPLETE else "failed", why=why)
