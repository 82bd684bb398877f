"""Submits a job to a cluster, shows its log, and ends as it ends.

    python jobs/submit.py --store s3://bucket/palo -- python jobs/finetune.py 7b
    python jobs/submit.py --attach ID             the log again, and on to its end
    python jobs/submit.py --stop ID               with a checkpoint

The code of this folder is sent along, without secrets, runs, data and weights (see .rayignore). The
job runs on without this program: Ctrl-C asks whether it shall. Exit codes are those of the job; the
address is that of `ray dashboard CLUSTER.yaml`, or RAY_API_SERVER_ADDRESS.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palo import command, config
from palo.errors import ConfigError
from palo.ray_start import EXIT_INTERRUPTED
from palo.submission.package import Submission, new_id
from palo.submission.server import ADDRESS, ask, connect

if TYPE_CHECKING:
    from palo.submission.watch import JobWatch

_QUESTION = "\n[s]top the job, with a checkpoint; [l]eave it running; [c]ontinue to watch? [l] "


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitJob:
    """Submits a job to a cluster; its command comes after --.

    Attributes:
        address: Address of the job server.
        folder: Folder whose code is sent, and in which the job runs.
        attach: Id of a job to watch, in place of a new one.
        stop: Id of a job to stop.
        detach: Doesn't wait for the job.
        grace_s: Seconds that the job has to save a checkpoint when it is stopped.
        wait_s: Seconds that the job server may be away.
        without_store: Runs without a store, on a cluster of one machine.
    """

    address: str | None = None
    folder: Path = Path()
    attach: str = ""
    stop: str = ""
    detach: bool = False
    grace_s: float = 600.0
    wait_s: float = 120.0
    without_store: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what contradicts itself or is out of range."""
        if self.attach and self.stop:
            yield "attach and stop name two wishes, give one"
        if self.grace_s < 1:
            yield f"grace_s is {self.grace_s} but must be at least 1"
        if self.wait_s < 0:
            yield f"wait_s is {self.wait_s} but can't be negative"


def main(arguments: list[str]) -> None:
    """Submits, attaches or stops.

    Args:
        arguments: The command line.
    """
    at = arguments.index("--") if "--" in arguments else len(arguments)
    wish = command.override(SubmitJob(), arguments[:at], "jobs/submit.py")
    config.check(wish)
    words = arguments[at + 1 :]
    if words and (wish.attach or wish.stop):
        raise ConfigError(
            "a new job and one that is there can't be named at once",
            seen=wish.attach or wish.stop,
            fix="Leave out the command after --, or --attach and --stop.",
        )
    submission = Submission(
        command=words,
        folder=wish.folder,
        grace_s=wish.grace_s,
        without_store=wish.without_store,
    )
    known = wish.attach or wish.stop
    if not known:
        submission.check()
    client = connect(wish.address, wish.wait_s, _say)
    address = os.environ[ADDRESS]
    from palo.submission.watch import JobWatch

    job = known or new_id(words)
    watch = JobWatch(client, address, job, wish.wait_s, _write, _say)
    if wish.stop:
        _stop(watch, job)
        return
    if not known:
        _say(f"sending the code in {wish.folder.resolve()}")
        given = {"entrypoint": submission.entrypoint, "runtime_env": submission.runtime_env()}
        fix = "Look with `ray job list` whether the job arrived; if not, submit it again."
        ask(address, lambda: client.submit_job(submission_id=job, **given), 0.0, fix)
        _say(f"submitted as {job}: {submission.entrypoint}")
    if wish.detach:
        _say(_later(job))
        return
    sys.exit(_followed(watch, job))


def _followed(watch: "JobWatch", job: str) -> int:
    """Watches a job to its end, or as long as somebody wants to; returns the exit code."""
    while True:
        try:
            return watch.follow()
        except KeyboardInterrupt:
            match _answer():
                case "s":
                    watch.stop()
                    _say("asked to stop: it saves a checkpoint after its step, and ends")
                case "c":
                    pass
                case _:
                    _say(_later(job))
                    return EXIT_INTERRUPTED


def _answer() -> str:
    """Asks what Ctrl-C means; without a terminal, and for a second one, the job is left alone."""
    if not sys.stdin.isatty():
        return "l"
    try:
        return input(_QUESTION).strip().lower()[:1]
    except (EOFError, KeyboardInterrupt):
        return "l"


def _stop(watch: "JobWatch", job: str) -> None:
    watch.skip()
    if not watch.stop():
        _say(f"{job} has ended already")
        return
    _say("asked to stop: it saves a checkpoint after its step, and ends")
    watch.follow()


def _later(job: str) -> str:
    return (
        f"{job} runs on. Its log: python jobs/submit.py --attach {job}; "
        f"to stop it: python jobs/submit.py --stop {job}"
    )


def _write(piece: str) -> None:
    print(piece, end="", flush=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run_job(main)
