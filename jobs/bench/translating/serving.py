"""The translating server in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCRIPT = Path(__file__).with_name("server.py")


@contextmanager
def running_server(**flags: object) -> Iterator[str]:
    """Runs the server; gives its address up to and with /v1.

    Args:
        flags: Fields of `Serving`.
    """
    words = [
        part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", value)
    ]
    command = [sys.executable, str(_SCRIPT), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            if process.stdout is None or not (port := process.stdout.readline().strip()):
                raise RuntimeError("the translating server didn't start")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()
