"""A command that reads a text and writes another: no shell, and a bound on all that it may take."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

_UTF8 = {"LC_ALL": "C.UTF-8"}
_READ_BYTES = 1 << 16
_SHOWN_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What a command came to.

    Attributes:
        output: What it wrote.
        error: The beginning of what it wrote to its standard error.
        code: Its exit status; negative for a signal.
    """

    output: str
    error: str
    code: int


class TooLongError(Exception):
    """A command took more time, or wrote more, than it may."""


def run_command(command: Sequence[str], text: str, *, timeout_s: float, max_bytes: int) -> Finished:
    """Runs a command on a text; whatever it started ends with it.

    Args:
        command: The command and its arguments, none of which a shell reads.
        text: What it reads.
        timeout_s: Longest time.
        max_bytes: The most that it may write.

    Raises:
        TimeoutError: If it takes longer.
        TooLongError: If it writes more.
    """
    process = subprocess.Popen(  # noqa: S603 - words of the caller's own
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | _UTF8,
        start_new_session=True,  # so that its own processes can be ended with it
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    late = threading.Event()
    error = bytearray()

    def end_late() -> None:
        late.set()
        _end(process)

    watch = threading.Timer(timeout_s, end_late)
    workers = (
        threading.Thread(target=_feed, args=(process.stdin, text.encode()), daemon=True),
        threading.Thread(target=_keep_beginning, args=(process.stderr, error), daemon=True),
    )
    for thread in (watch, *workers):
        thread.daemon = True
        thread.start()
    try:
        output = process.stdout.read(max_bytes + 1)
        if len(output) <= max_bytes:
            process.wait()
    finally:
        watch.cancel()
        _end(process)
        process.wait()
        for thread in workers:
            thread.join()
        process.stdout.close()
    if late.is_set():
        raise TimeoutError(f"it took longer than {timeout_s:g} s")
    if len(output) > max_bytes:
        raise TooLongError(f"it wrote more than {max_bytes:,} bytes")
    return Finished(
        output=output.decode("utf-8", "replace"),
        error=error.decode("utf-8", "replace").strip(),
        code=process.returncode,
    )


def _feed(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError), stream:  # it may end before it has read all
        stream.write(data)


def _keep_beginning(stream: IO[bytes], kept: bytearray) -> None:
    with stream:
        while part := stream.read(_READ_BYTES):
            kept += part[: _SHOWN_BYTES - len(kept)]


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
