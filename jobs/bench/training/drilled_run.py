"""A run of the drill: its driver's process, its workers, what it said and what it wrote."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from palo import config, storage
from palo.errors import StorageError
from palo.train.metrics import read_metrics
from palo.train.stages import StageJob

_POLL_S = 0.1
_WORKER = "RayTrainWorker"
_DRIVER = Path(__file__).with_name("stage_driver.py")
_SHOWN_CHARACTERS = 2000
_LEFT_S = 10.0


class DrilledRun:
    """A stage that trains in a process of its own, as people's command does.

    Args:
        job: The stage.
        folder: Where the command's files and output go.
        environment: Environment variables besides this process's own.
        timeout_s: How long it may wait for anything, in seconds.
    """

    def __init__(
        self, job: StageJob, folder: Path, environment: Mapping[str, str], timeout_s: float
    ) -> None:
        self.job = job
        self._timeout_s = timeout_s
        storage.ensure_folder(folder)
        number = len(list(folder.glob("*.log")))
        self._log = folder / f"{number}.log"
        storage.write_json(folder / "job.json", config.to_dict(job))
        num_cpus = str(job.config.workers.count)
        with self._log.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(  # noqa: S603 - a file of this folder
                [sys.executable, str(_DRIVER), str(folder / "job.json"), num_cpus],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment},
            )

    @property
    def said(self) -> str:
        """What the command has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        """Waits until something holds.

        Args:
            what: What is waited for.
            holds: Returns whether it does.

        Raises:
            RuntimeError: If the command ends before, or it takes too long.
        """
        until = time.monotonic() + self._timeout_s
        while not holds():
            if self.process.poll() is not None:
                raise RuntimeError(f"ended before {what}: {self._shown()}")
            if time.monotonic() > until:
                raise RuntimeError(f"waited {self._timeout_s:g} s for {what}: {self._shown()}")
            time.sleep(_POLL_S)

    def wait_for_step(self, step: int) -> None:
        """Waits until so many steps are done.

        Args:
            step: The steps.
        """
        self.wait_for(f"step {step}", lambda: num_steps(self.job) >= step)

    def kill_worker(self) -> None:
        """Ends a training worker at once."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        next(one for one in family if _WORKER in " ".join(one.cmdline())).kill()

    def kill(self) -> None:
        """Ends the driver at once, and then what is left of all that it started.

        Ray's agents would end by themselves, up to a minute later.
        """
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(family, timeout=_LEFT_S)
        for process in alive:
            process.kill()

    def terminate(self) -> None:
        """Sends the driver SIGTERM, as `ray job stop` does."""
        self.process.send_signal(signal.SIGTERM)

    def end(self, code: int = 0) -> str:
        """Waits for the end of the command.

        Args:
            code: The exit code that it must have.

        Returns:
            What it said.

        Raises:
            RuntimeError: If it ends otherwise, or not in time.
        """
        try:
            found = self.process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"no end after {self._timeout_s:g} s: {self._shown()}") from None
        if found != code:
            raise RuntimeError(f"exit code {found}, not {code}: {self._shown()}")
        return self.said

    def _shown(self) -> str:
        return self.said[-_SHOWN_CHARACTERS:]


class Starter:
    """Starts the commands of one run, and ends those that are left.

    Args:
        folder: A folder of the run's own.
        timeout_s: How long a command may wait for anything, in seconds.

    Attributes:
        runs: What was started.
    """

    def __init__(self, folder: Path, timeout_s: float) -> None:
        self._folder = folder
        self._timeout_s = timeout_s
        self.runs: list[DrilledRun] = []

    def __call__(self, job: StageJob, environment: Mapping[str, str] | None = None) -> DrilledRun:
        """Starts the command.

        Args:
            job: The stage; without a scratch disk it gets one.
            environment: Environment variables besides this process's own.
        """
        workers = job.config.workers
        if workers.scratch is None:
            workers = replace(workers, scratch=self._folder / "scratch")
        job = replace(job, config=replace(job.config, workers=workers))
        run = DrilledRun(job, self._folder / "log", environment or {}, self._timeout_s)
        self.runs.append(run)
        return run

    @property
    def said(self) -> list[str]:
        """The lines that the commands have printed."""
        return [line for run in self.runs for line in run.said.splitlines()]

    def end_all(self) -> None:
        """Ends every command that still runs, with all that it started."""
        for run in self.runs:
            if run.process.poll() is None:
                run.kill()


def num_steps(job: StageJob) -> int:
    """Returns how many steps a stage has done, as its store tells.

    Args:
        job: The stage.
    """
    try:
        return len(read_metrics(job.metrics))
    except (StorageError, FileNotFoundError):
        return 0
