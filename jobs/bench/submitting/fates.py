"""Jobs that are submitted, and what becomes of each, by the library of jobs/submit.py."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import psutil
from submitting.program import EXIT_FAILED, EXIT_STOPPED, READY, SAVED
from submitting.settings import Case

from palo.errors import PaloError
from palo.submission.package import Submission, new_id
from palo.submission.server import ADDRESS, ask
from palo.submission.watch import JobWatch

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

PROGRAM = "program.py"
"""The job's file in the folder that is sent."""
_SUBMIT = Path(__file__).resolve().parents[2] / "submit.py"
_EXIT_KILLED = 128 + 9
_READY_S = 120.0
_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a job ended.

    Attributes:
        number: Its number.
        fate: What became of it.
        code: Exit code of whoever watched it; -1 where that failed.
        seconds: From its submission to its end.
        problem: What was wrong; empty if nothing.
    """

    number: int
    fate: str
    code: int
    seconds: float
    problem: str = ""


class Submitted:
    """A job that was submitted, with a watch that reads its log.

    Args:
        client: The job server.
        folder: Folder that is sent.
        what: What the job does.

    Attributes:
        job: Its id.
    """

    def __init__(self, client: "JobSubmissionClient", folder: Path, what: str) -> None:
        self._client = client
        command = [sys.executable, PROGRAM, what]
        submission = Submission(command=command, folder=folder, grace_s=20.0, without_store=True)
        submission.check()
        self.job = new_id(command)
        given = {"entrypoint": submission.entrypoint, "runtime_env": submission.runtime_env()}
        ask(
            os.environ[ADDRESS],
            lambda: client.submit_job(submission_id=self.job, **given),
            _PATIENCE_S,
            "Look at the head's log.",
        )
        self._pieces: list[str] = []
        self._watch = JobWatch(
            client, os.environ[ADDRESS], self.job, _PATIENCE_S, self._pieces.append, _silent
        )

    @property
    def package(self) -> str:
        """Ray's name of the code that was sent for it."""
        return str((self._watch.details().runtime_env or {})["working_dir"])

    @property
    def log(self) -> str:
        """What was read of its log."""
        return "".join(self._pieces)

    def follow(self, disturb: Callable[["Submitted"], None] | None) -> int:
        """Reads the log to the job's end; returns the exit code.

        Args:
            disturb: Is done meanwhile, to this job.
        """
        with ThreadPoolExecutor(1) as follower:
            following = follower.submit(self._watch.follow)
            if disturb is not None:
                disturb(self)
            return following.result()

    def stop(self) -> None:
        """Asks it to stop, until the head has heard of it."""
        while not self._watch.stop() and not self._watch.details().status.is_terminal():
            time.sleep(_LOOK_EVERY_S)

    def read_again(self) -> tuple[int, str]:
        """Returns exit code and log as somebody gets them who comes later."""
        pieces: list[str] = []
        later = JobWatch(
            self._client, os.environ[ADDRESS], self.job, _PATIENCE_S, pieces.append, _silent
        )
        return later.follow(), "".join(pieces)

    def process(self) -> psutil.Process:
        """Waits until the job works; returns its process.

        Raises:
            RuntimeError: If it doesn't work in time.
        """
        until = time.monotonic() + _READY_S
        while READY not in self.log or "\n" not in self.log.split(READY)[1]:
            if time.monotonic() > until:
                raise RuntimeError(f"{self.job} isn't ready: {self.log[-300:]!r}")
            time.sleep(_LOOK_EVERY_S)
        process = psutil.Process(int(self.log.split(READY)[1].split()[0]))
        if PROGRAM not in " ".join(process.cmdline()):
            raise RuntimeError(f"process {process.pid} is not that of {self.job}")
        return process


def _silent(line: str) -> None:
    """What a watch says to people isn't needed."""


def _stop_when_ready(job: Submitted) -> None:
    job.process()
    job.stop()


def _stop_by_command(job: Submitted) -> None:
    job.process()
    command = [sys.executable, str(_SUBMIT), "--stop", job.job]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)  # noqa: S603


def _kill(job: Submitted) -> None:
    job.process().kill()


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """What becomes of a job.

    Attributes:
        does: What its program does.
        code: Exit code of whoever watches it.
        says: What its log holds.
        disturb: What is done to it while it is watched.
        again: Whether somebody attaches to it again after its end.
    """

    does: str
    code: int
    says: str
    disturb: Callable[[Submitted], None] | None = None
    again: bool = False


FATES: Mapping[str, Fate] = MappingProxyType(
    {
        "succeeds": Fate(does="succeed", code=0, says=READY),
        "fails": Fate(does="fail", code=EXIT_FAILED, says=READY),
        "stopped": Fate(does="wait", code=EXIT_STOPPED, says=SAVED, disturb=_stop_when_ready),
        "stopped-at-once": Fate(does="wait", code=EXIT_STOPPED, says="", disturb=Submitted.stop),
        "attached-again": Fate(
            does="wait", code=EXIT_STOPPED, says=SAVED, disturb=_stop_by_command, again=True
        ),
        "killed": Fate(does="wait", code=_EXIT_KILLED, says=READY, disturb=_kill),
        "killed-with-actors": Fate(does="hold", code=_EXIT_KILLED, says=READY, disturb=_kill),
    }
)
"""What becomes of jobs, by the names of `MIX`."""


def run_case(client: "JobSubmissionClient", folder: Path, case: Case) -> tuple[Ended, str]:
    """Submits a job and sees it to its end.

    Args:
        client: The job server.
        folder: Folder that is sent.
        case: The job.

    Returns:
        How it ended, and the name of the package that was sent; empty if none was.
    """
    fate, began = FATES[case.fate], time.monotonic()
    code, problem, package = -1, "", ""
    try:
        job = Submitted(client, folder, fate.does)
        package = job.package
        code = job.follow(fate.disturb)
        if code != fate.code:
            problem = f"exit code {code} and not {fate.code}"
        elif fate.says not in job.log:
            problem = f"its log has no {fate.says!r}: {job.log[-300:]!r}"
        elif fate.again and job.read_again() != (code, job.log):
            problem = "who attached again got another log or exit code"
    except (PaloError, RuntimeError, psutil.Error, subprocess.CalledProcessError) as error:
        problem = f"{type(error).__name__}: {error}"
    ended = Ended(
        number=case.number,
        fate=case.fate,
        code=code,
        seconds=time.monotonic() - began,
        problem=problem,
    )
    return ended, package
