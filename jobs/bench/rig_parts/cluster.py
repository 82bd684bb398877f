"""A cluster on the rig's machines, made and used as a person does: all is typed on a laptop."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from resuming import say
from rig_parts.checkout import CHECKOUT, HEAD, LAPTOP, NODES, WORKER
from rig_parts.ssh_machines import SshMachines

from palo.errors import ResourceError

RAYLET = "raylet/raylet"
"""What the command line of a node's own process holds."""
_FILE = "cluster/local.yaml"
_PORT = 8300  # of the head's dashboard, as the file has it
_SERVE_PORT = 8000
_LOOK_EVERY_S = 0.5
_SHOWN_CHARACTERS = 3000


class Cluster:
    """A cluster of two machines, and a laptop.

    Args:
        machines: The machines, which are on.
        log: File that gets what every command says.
        timeout_s: How long to wait for anything, in seconds.
    """

    def __init__(self, machines: SshMachines, log: Path, timeout_s: float) -> None:
        self._machines = machines
        self._log = log
        self._timeout_s = timeout_s

    @contextmanager
    def up(self) -> Iterator["Cluster"]:
        """Runs `ray up` and a tunnel to the job server before the block, `ray down` after it."""
        self.type("python cluster/configure.py")
        self.type("ray get-auth-token --generate > /dev/null && chmod 600 ~/.ray/auth_token")
        self.type(f"ray up --yes --no-config-cache {_FILE}")
        doors = " ".join(f"-L {port}:127.0.0.1:{port}" for port in (_PORT, _SERVE_PORT))
        options = "-o StrictHostKeyChecking=no -o ExitOnForwardFailure=yes"
        tunnel = self._start(f"ssh -N {options} {doors} root@{self._machines[HEAD].address}")
        try:
            yield self
            self.type(f"ray down --yes {_FILE}")
        finally:
            tunnel.kill()
            tunnel.wait()

    def type(self, command: str) -> str:
        """Types a command on the laptop, in the checkout; returns what it says.

        Args:
            command: The command.

        Raises:
            ResourceError: If it fails.
        """
        began = time.monotonic()
        done = self._machines.run(LAPTOP, f"cd ~/{CHECKOUT} && {command}")
        self._note(f"$ {command}\n{done.stdout}{done.stderr}")
        say(f"{command[:100]}: {time.monotonic() - began:.1f} s")
        if done.returncode != 0:
            raise ResourceError(
                "a command on the laptop fails",
                seen=f"{command}: {(done.stdout + done.stderr)[-_SHOWN_CHARACTERS:]}",
                fix=f"See {self._log}.",
            )
        return done.stdout

    def look(self, command: str) -> str:
        """Returns what a command on the laptop says, which may fail and isn't kept in the log.

        Args:
            command: The command.
        """
        return self._machines.run(LAPTOP, f"cd ~/{CHECKOUT} && {command}").stdout

    def submit(self, command: str) -> "Submitted":
        """Submits a job from the laptop, and watches it there.

        Args:
            command: The job's command.
        """
        address = f"http://127.0.0.1:{_PORT}"
        typed = f"python jobs/submit.py --address {address} -- {command}"
        at = self._log.stat().st_size if self._log.exists() else 0
        return Submitted(self._start(typed), self._log, at, self._timeout_s)

    def ask(self) -> dict[str, Any]:
        """Makes a key on the laptop, and asks the endpoint with it; returns what it answers."""
        self.type("python jobs/keys.py add laptop | tail -n 1 > ~/key")
        address = f"http://127.0.0.1:{_SERVE_PORT}"
        program = "python jobs/bench/rig_parts/question.py"
        said = self.type(f"{program} {address} ~/key {self._timeout_s:g}")
        told: dict[str, Any] = json.loads(said.splitlines()[-1])
        return told

    def lose_worker(self) -> None:
        """Takes the second machine's power away."""
        self._note("(the worker machine loses its power)\n")
        self._machines.lose(WORKER)

    def processes(self, machine: str, pattern: str) -> int:
        """Counts a machine's processes.

        Args:
            machine: Its name.
            pattern: What their command lines hold.
        """
        return sum(pattern in line for line in self._machines[machine].command_lines())

    def await_nodes(self) -> None:
        """Waits until both machines are nodes of the cluster."""
        wait_until(
            lambda: all(self.processes(name, RAYLET) for name in NODES),
            "both machines are nodes",
            self._timeout_s,
        )

    def _start(self, command: str) -> "subprocess.Popen[bytes]":
        self._note(f"$ {command}\n")
        return self._machines.start(LAPTOP, f"cd ~/{CHECKOUT} && {command}", self._log)

    def _note(self, text: str) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(text)


class Submitted:
    """A job that is watched on the laptop.

    Args:
        process: The watch.
        log: File that gets what it says.
        at: Where in the file that begins.
        timeout_s: How long to wait for anything, in seconds.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", log: Path, at: int, timeout_s: float
    ) -> None:
        self._process = process
        self._log = log
        self._at = at
        self._timeout_s = timeout_s

    @property
    def said(self) -> str:
        """What the job and its watch have said."""
        return self._log.read_bytes()[self._at :].decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Waits until the job says something.

        Args:
            text: What it says.

        Raises:
            ResourceError: If it ends before, or takes too long.
        """

        def holds() -> bool:
            self.require_running()
            return text in self.said

        wait_until(holds, repr(text), self._timeout_s)

    def require_running(self) -> None:
        """Fails if it has ended.

        Raises:
            ResourceError: If it has.
        """
        if self._process.poll() is not None:
            raise ResourceError("the job has ended too soon", seen=self.said[-_SHOWN_CHARACTERS:])

    def end(self, code: int) -> str:
        """Waits for its end; returns what it has said.

        Args:
            code: The exit code that it must have.

        Raises:
            ResourceError: If it has another, or takes too long.
        """
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._timeout_s)
        if self._process.poll() != code:
            raise ResourceError(
                f"the job has exit code {self._process.poll()}, not {code}",
                seen=self.said[-_SHOWN_CHARACTERS:],
            )
        return self.said


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Waits until something holds.

    Args:
        holds: Whether it does.
        what: What it is, for the error.
        timeout_s: How long to wait, in seconds.

    Raises:
        ResourceError: If it doesn't hold in that time.
    """
    until = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > until:
            raise ResourceError(f"waited in vain until {what}", seen=f"{timeout_s:g} s")
        time.sleep(_LOOK_EVERY_S)
