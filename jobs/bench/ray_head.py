"""A head of a Ray cluster on this machine, on ports of its own, ended without touching others."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

_UP_S = 180.0
_DOWN_S = 10.0
# A node that is told to end would wait half a minute for what still runs on it.
_AT_ONCE = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}


@contextmanager
def ray_head(
    folder: Path,
    options: Sequence[str],
    variables: Mapping[str, str] | None = None,
    port: int | None = None,
    token: str | None = None,
) -> Iterator[dict[str, str]]:
    """Runs a head for the length of the block, with a token of its own, on the loopback interface.

    Args:
        folder: An empty folder with a short path.
        options: Further options of `ray start`.
        variables: Environment variables of the head alone.
        port: Its port; a free one by default.
        token: Its token; a fresh one by default.

    Yields:
        The environment of a process that joins it.

    Raises:
        RuntimeError: If it doesn't come up.
    """
    own_port, agent_port = free_ports(2)
    port = port or own_port
    address = f"127.0.0.1:{port}"
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token or secrets.token_hex(16)}
    private = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_TMPDIR": str(folder)}
    environment = os.environ | secret | private | _AT_ONCE
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--head",
        "--block",
        "--node-ip-address=127.0.0.1",
        f"--port={port}",
        # Without this port of its agent, which every Ray wants, a head takes no jobs.
        f"--dashboard-agent-listen-port={agent_port}",
        f"--temp-dir={folder / 'ray'}",
        "--object-store-memory=100000000",
        *options,
    ]
    with (folder / "head.log").open("w") as log:
        started = environment | dict(variables or {})
        head = subprocess.Popen(command, env=started, stdout=log, stderr=log)  # noqa: S603 - ours
    try:
        wait_until_up(head, port, folder / "head.log")
        yield environment | {"RAY_ADDRESS": address}
    finally:
        end_family(head)


def free_ports(count: int) -> list[int]:
    """Returns ports of the loopback interface on which nothing listens.

    Args:
        count: How many.
    """
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_until_up(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Waits until a process listens on a port.

    Args:
        process: The process.
        port: The port.
        log: File with what it says.

    Raises:
        RuntimeError: If it ends before, or takes too long.
    """
    until = time.monotonic() + _UP_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the cluster doesn't come up: {log.read_text()[-2000:]}")


def end_family(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process and all that it started: what it leaves when it has ended is killed.

    Args:
        process: The process.
    """
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_DOWN_S)
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
