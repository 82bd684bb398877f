"""A Ray cluster of make-believe machines, each with processes, disk, network and name of its own.

They are namespaces of Linux on this machine, which takes root. Machines share the folders of this
one, but for their own: home, temporary files, scratch and shared memory.
"""

import itertools
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from palo.errors import ResourceError

_RAY = str(Path(sys.executable).with_name("ray"))
_AWAIT_GROUP = Path(__file__).with_name("await_group.py")
_PROGRAMS = ("ip", "mount", "unshare")
# A private Ray's settings, which this process may have: with them Ray refuses to form a cluster,
# and training to look for nodes that will be taken away.
_PRIVATE = (
    "RAY_ADDRESS",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER",
    "GLOO_SOCKET_IFNAME",
)
_UP_S = 120.0
_LOOK_EVERY_S = 0.1
_OBJECT_STORE_BYTES = 100 << 20
# What is copied to a scratch disk must leave a GiB free there.
_DISK_MIB = 1400
_OWN_FOLDERS = ("home", "tmp", "scratch")
_OF_THEIR_OWN = ("--mount", "--pid", "--net", "--uts")
_NAMESPACES = (*_OF_THEIR_OWN, "--fork", "--kill-child", "--mount-proc", "--propagation=private")
_BEGIN = """set -e
mount -t tmpfs -o size={mib}m palo-drill {own}
mount -t tmpfs palo-drill /dev/shm
cd {own} && mkdir {folders}
hostname {name}
ip link set lo up
until ip link show eth0 > link 2>&1; do sleep 0.05; done
ip address add {address}/24 dev eth0
ip link set eth0 up
exec {command}
"""
_clusters = itertools.count()


def why_no_machines() -> str:
    """Returns why there can be no such machines here; empty if there can."""
    if os.geteuid() != 0:
        return "needs root"
    if absent := [name for name in _PROGRAMS if shutil.which(name) is None]:
        return f"needs {', '.join(absent)}"
    command = ["unshare", *_NAMESPACES, "true"]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own words
    return "" if done.returncode == 0 else "may not make namespaces of Linux"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with one CPU that is a node of the cluster.

    Attributes:
        name: Its host name.
        node_id: Its id as a node.
        link: The end of its cable at the switch.
        process: The process that holds all of its processes.
    """

    name: str
    node_id: str
    link: str
    process: "subprocess.Popen[bytes]"


class Machines(AbstractContextManager["Machines"]):
    """The cluster: a head without CPUs, on which jobs run, and machines. Use it as a context.

    Args:
        folder: A folder with a short path.

    Attributes:
        own: Folder in which each machine sees its own disk; the head's is this machine's.
        address: Address of the head.
        environment: Environment variables of a job that joins the cluster.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.own = folder / "own"
        number = next(_clusters)
        self._network = f"10.213.{(os.getpid() + number) % 250 + 1}"
        self._switch = f"pd{os.getpid() % 100_000}-{number}"
        self.address = f"{self._network}.1"
        self._numbers = itertools.count(2)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "HOME": str(self.own / "home"),
            "TMPDIR": str(self.own / "tmp"),
            # Jobs look for nodes that will be taken away, also where this process must not.
            "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "1",
        }

    def __enter__(self) -> "Machines":
        for name in _OWN_FOLDERS:
            (self.own / name).mkdir(parents=True)
        try:
            self._start_head()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def add(self) -> Machine:
        """Starts a machine and waits until it is a node of the cluster."""
        number = next(self._numbers)
        name, address = f"machine{number}", f"{self._network}.{number}"
        joins = (f"--address={self.environment['RAY_ADDRESS']}", "--num-cpus=1")
        begin = _BEGIN.format(
            mib=_DISK_MIB,
            own=self.own,
            folders=" ".join(_OWN_FOLDERS),
            name=name,
            address=address,
            command=" ".join(self._ray(address, *joins)),
        )
        node_id = secrets.token_hex(28)
        process = self._start(
            ["unshare", *_NAMESPACES, "sh", "-c", begin],
            name,
            {"GLOO_SOCKET_IFNAME": "eth0", "RAY_OVERRIDE_NODE_ID_FOR_TESTING": node_id},
        )
        wait_until_up(lambda: has_own_network(process.pid), process, self._log_of(name))
        link = f"{self._switch}-{number}"
        peer = ("peer", "name", "eth0", "netns", str(process.pid))
        run_program("ip", "link", "add", link, "type", "veth", *peer)
        run_program("ip", "link", "set", link, "master", self._switch, "up")
        self._wait_for_ray(process, name)
        return Machine(name, node_id, link, process)

    def lose(self, machine: Machine, *, silently: bool) -> None:
        """Takes a machine's power away.

        Args:
            machine: The machine.
            silently: Whether nobody is told that its connections end, as where a cable is cut.
        """
        if silently:
            run_program("ip", "link", "delete", machine.link)
        machine.process.kill()
        machine.process.wait()

    def drain(self, machine: Machine, remaining_s: int) -> None:
        """Has the cluster say that a machine will be taken away, as autoscalers do.

        Args:
            machine: The machine.
            remaining_s: In how many seconds.
        """
        command = [
            _RAY, "drain-node", "--address", self.environment["RAY_ADDRESS"],
            "--node-id", machine.node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION",
            "--reason-message", "drill", "--deadline-remaining-seconds", str(remaining_s),
        ]  # fmt: skip
        subprocess.run(command, env=self._settings({}), check=True, capture_output=True)  # noqa: S603

    def watch_for_group(self) -> Callable[[], bool]:
        """Returns what tells whether Ray has room for a group of workers, the cluster's first."""
        command = [sys.executable, str(_AWAIT_GROUP), self.environment["RAY_ADDRESS"]]
        program = self._start(command, _AWAIT_GROUP.stem, {})
        log = self._log_of(_AWAIT_GROUP.stem)
        wait_until_up(lambda: "looking" in _said(log), program, log)
        return lambda: program.poll() == 0

    def _start_head(self) -> None:
        run_program("ip", "link", "add", self._switch, "type", "bridge")
        run_program("ip", "address", "add", f"{self.address}/24", "dev", self._switch)
        run_program("ip", "link", "set", self._switch, "up")
        with socket.socket() as probe:
            probe.bind((self.address, 0))
            port = probe.getsockname()[1]
        self.environment["RAY_ADDRESS"] = f"{self.address}:{port}"
        command = self._ray(
            self.address, "--head", "--num-cpus=0", f"--port={port}", "--include-dashboard=false"
        )
        head = self._start(command, "head", {})
        self._wait_for_ray(head, "head")

    def _ray(self, address: str, *arguments: str) -> list[str]:
        return [
            _RAY,
            "start",
            "--block",
            "--disable-usage-stats",
            f"--node-ip-address={address}",
            f"--temp-dir={self.own / 'ray'}",
            f"--object-store-memory={_OBJECT_STORE_BYTES}",
            "--min-worker-port=0",
            "--max-worker-port=0",
            *arguments,
        ]

    def _settings(self, more: dict[str, str]) -> dict[str, str]:
        outer = {name: value for name, value in os.environ.items() if name not in _PRIVATE}
        own = {name: value for name, value in self.environment.items() if name not in _PRIVATE}
        return outer | own | more

    def _start(
        self, command: list[str], name: str, more: dict[str, str]
    ) -> "subprocess.Popen[bytes]":
        with self._log_of(name).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own words
                command, env=self._settings(more), stdout=log, stderr=log, start_new_session=True
            )
        self._processes.append(process)
        return process

    def _log_of(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _wait_for_ray(self, process: "subprocess.Popen[bytes]", name: str) -> None:
        log = self._log_of(name)
        wait_until_up(lambda: "Ray runtime started" in _said(log), process, log)

    def _end(self) -> None:
        for process in reversed(self._processes):  # the head last
            with suppress(psutil.NoSuchProcess):
                family = psutil.Process(process.pid).children(recursive=True)
                process.kill()
                for one in family:
                    with suppress(psutil.NoSuchProcess):
                        one.kill()
            process.wait()
        with suppress(subprocess.CalledProcessError):  # it wasn't made
            run_program("ip", "link", "delete", self._switch)


def wait_until_up(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Waits for a machine, or for something on it.

    Args:
        holds: Returns whether it is there.
        process: The machine's first process.
        log: File of what it says, with the machine's name.

    Raises:
        ResourceError: If the process ends first, or it takes too long.
    """
    until = time.monotonic() + _UP_S
    while not holds():
        if process.poll() is not None or time.monotonic() > until:
            said = f"{log.stem}: {_said(log)[-2000:]}"
            raise ResourceError("a machine doesn't come up", seen=said)
        time.sleep(_LOOK_EVERY_S)


def _said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def has_own_network(pid: int) -> bool:
    """Returns whether a process has left this machine's network.

    Args:
        pid: The process.
    """
    return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")


def run_program(*command: str) -> None:
    """Runs a program to its end.

    Args:
        command: Its words.

    Raises:
        CalledProcessError: If it fails.
    """
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words
