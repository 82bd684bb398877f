"""Processes that end with the one that started them, and the process of a step.

`python -m palo.reproduce.child PARENT COMMAND ...` becomes COMMAND, to which Linux sends a SIGTERM
when its parent ends in any way. A step takes that as a stop: it saves a checkpoint and ends.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

_SIGNALLED = (signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1
"""Linux's number for it: include/uapi/linux/prctl.h."""
_LOOK_EVERY_S = 0.2
# `timeout` and shells may send one stop twice, to the process and to its group.
_SAME_STOP_S = 1.0


def start_bound(
    command: Sequence[str], output: int | IO[bytes], errors: int | IO[bytes] = subprocess.STDOUT
) -> "subprocess.Popen[bytes]":
    """Starts a command in a session of its own, which gets a SIGTERM when this process ends.

    Only the caller stops it: a terminal's Ctrl-C doesn't reach it.

    Args:
        command: The command.
        output: Where it writes: a file, or subprocess.DEVNULL.
        errors: Where it writes errors; by default there, too.
    """
    launcher = [sys.executable, "-P", "-m", __name__, str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - commands of our own
        [*launcher, *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
    )


def run_step(command: Sequence[str], log: Path, look: Callable[[str], None]) -> int:
    """Runs a step's command to its end, and passes on what it says.

    Ctrl-C and SIGTERM are passed on to it once, and it is waited for, since it saves a checkpoint;
    a second one kills it.

    Args:
        command: The command.
        log: File on a disk that it writes to; what was there before stays.
        look: Called several times a second with the text that is new; "" where there is none.

    Returns:
        Its exit code; a negative one is the signal that killed it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with _Stops() as stops, log.open("ab") as written, log.open("rb") as read:
        read.seek(0, os.SEEK_END)
        process = start_bound(command, written)
        try:
            while process.poll() is None:
                look(_new_text(read))
                stops.pass_on(process)
                time.sleep(_LOOK_EVERY_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        look(_new_text(read))
    return process.returncode


def _new_text(log: IO[bytes]) -> str:
    """Returns whole lines that are new; a character may be written in two halves."""
    data = log.read()
    whole = data[: data.rfind(b"\n") + 1]
    log.seek(len(whole) - len(data), os.SEEK_CUR)
    return whole.decode("utf-8", "backslashreplace")


class _Stops:
    """Notes Ctrl-C and SIGTERM in place of the handlers that were there before."""

    def __init__(self) -> None:
        self._last = 0.0
        self._asked = 0
        self._passed = 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "_Stops":
        for number in _SIGNALLED:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last > _SAME_STOP_S:
            self._asked += 1
        self._last = now

    def pass_on(self, process: "subprocess.Popen[bytes]") -> None:
        """Passes on what was asked for since the last call."""
        if self._asked == self._passed:
            return
        self._passed = self._asked
        if self._asked == 1:
            print("stopping the step; once more kills it", file=sys.stderr, flush=True)
            process.terminate()
        else:
            process.kill()


def _become(parent: int, command: Sequence[str]) -> None:
    """Replaces this process by a command that gets a SIGTERM when its parent ends.

    Raises:
        OSError: If Linux refuses.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it ended before
        sys.exit(128 + signal.SIGTERM)
    os.execv(command[0], list(command))  # noqa: S606 - a command of our own


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
