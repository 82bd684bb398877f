"""The endpoint that is attacked: what `make serve` runs, with a small model."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abuse_parts.attacks import Victim
from serving.endpoint import HOST, free_port
from serving.stage import nano_stage

_LINE = re.compile(r"(endpoint|chat page|API key) +(\S+)")
_STOP_S = 120.0


@contextmanager
def served(root: Path, cache: Path) -> Iterator[Victim]:
    """Runs `jobs/serve.py` for the length of the block, with keys and the chat page.

    Args:
        root: The checkout.
        cache: Folder for the model.

    Raises:
        RuntimeError: If it ends before it listens.
    """
    stage = nano_stage(cache.resolve(), "abused")
    command = [sys.executable, "jobs/serve.py", str(stage), "--port", str(free_port())]
    command += ["--access.host", HOST, "--access.key-file", str(cache.resolve() / "keys.json")]
    command += ["--feedback", str(cache.resolve() / "feedback")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdout=pipe, text=True) as process:  # noqa: S603 - our own
        try:
            yield _victim(process, stage.name)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            finally:
                process.kill()


def _victim(process: "subprocess.Popen[str]", model: str) -> Victim:
    """Reads the addresses that people are shown."""
    assert process.stdout is not None
    told: dict[str, str] = {}
    for line in process.stdout:
        if found := _LINE.match(line):
            told[found[1]] = found[2]
        if line.startswith("Ctrl-C"):
            return Victim(
                endpoint=told["endpoint"].removesuffix("/v1"),
                page=told["chat page"],
                key=told["API key"],
                model=model,
            )
    raise RuntimeError(f"the endpoint ended with {process.wait()} before it listened")
