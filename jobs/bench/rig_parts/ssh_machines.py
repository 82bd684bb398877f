"""Machines with SSH servers and disks of their own, without a shared one, on this machine.

They are namespaces of Linux, which takes root: processes, network, host name and shared memory are
a machine's own. Its disk begins as a copy of this machine's, of which nobody sees the changes; home
and temporary files begin empty. So no secret of this machine's users is there.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil
from training.machines import has_own_network, run_program, wait_until_up, why_no_machines

from palo.errors import ResourceError

_PROGRAMS = ("sshd", "ssh", "ssh-keygen", "rsync")
_ISOLATED = ("--mount", "--pid", "--net", "--uts", "--ipc")
_NAMESPACES = (*_ISOLATED, "--fork", "--kill-child", "--propagation=private")
_UP_S = 30.0
_PARTS = ("upper", "work", "root", "tmp", "home")
HOME = "/root"
"""Home of the machines' user."""
_SERVER = f"""HostKey {HOME}/.ssh/host_key
PermitRootLogin prohibit-password
UsePAM no
PidFile none
MaxStartups 100
"""
# The first process of a machine. Its server is the last word, and ends with it.
_BEGIN = """set -e
cd {disk}
mount -t overlay rig -o lowerdir=/,upperdir={disk}/upper,workdir={disk}/work root
cd root
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 shm dev/shm
mount --bind {disk}/tmp tmp
{kept}
mount --bind {disk}/home .{home}
mount -t tmpfs -o mode=755 run run
mkdir -p run/sshd run/lock
{binds}
hostname {name}
ip link set lo up
until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
ip address add {address}/24 dev eth0
ip link set eth0 up
ip route add default via {gateway}
cat > etc/hosts << end
127.0.0.1 localhost
{hosts}
end
exec chroot . {sshd} -D -e -f {home}/.ssh/server
"""


def why_no_ssh_machines() -> str:
    """Returns why there can be no such machines here; empty if there can."""
    if absent := [name for name in _PROGRAMS if shutil.which(name) is None]:
        return f"needs {', '.join(absent)} (openssh-server, openssh-client, rsync)"
    return why_no_machines()


@dataclass(slots=True)
class SshMachine:
    """A machine.

    Attributes:
        name: Its host name.
        address: Its address.
        disk: Folder of its disk, of which it sees no other part.
        process: The process that holds all of its processes; None while it is off.
    """

    name: str
    address: str
    disk: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def home(self) -> Path:
        """Its root user's home, as seen from here."""
        return self.disk / "home"

    def command_lines(self) -> Iterator[str]:
        """Yields the command lines of its processes."""
        if self.process is None:
            return
        for one in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                yield " ".join(one.cmdline())


class SshMachines(AbstractContextManager["SshMachines"]):
    """Machines on one switch; use it as a context, which turns them off. Their disks stay.

    Args:
        folder: Folder of disks, keys and logs.
        names: Names of the machines.
        disk_mib: Size of all disks, in MiB.
        shared: Folders of this machine that all of them see, by the path at which they do.
        also: Folders of a machine's own disk, by another path at which it sees them, too.

    Attributes:
        address: This machine's address, as the others know it.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        disk_mib: int,
        shared: Mapping[str, Path],
        also: Mapping[str, str],
    ) -> None:
        self._folder = folder.resolve()
        self._disks = self._folder / "disks"
        self._size = disk_mib
        self._shared = {to: str(at.resolve()) for to, at in shared.items()}
        self._also = dict(also)
        self._key = self._folder / "key"
        network = f"10.214.{os.getpid() % 250 + 1}"
        self._switch = f"pr{os.getpid() % 100_000}"
        self.address = f"{network}.1"
        self._machines = {
            name: SshMachine(name, f"{network}.{number}", self._disks / name)
            for number, name in enumerate(names, start=2)
        }

    def __getitem__(self, name: str) -> SshMachine:
        return self._machines[name]

    def __enter__(self) -> "SshMachines":
        self._make_disks()
        run_program("ip", "link", "add", self._switch, "type", "bridge")
        run_program("ip", "address", "add", f"{self.address}/24", "dev", self._switch)
        run_program("ip", "link", "set", self._switch, "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for machine in self._machines.values():
                self.lose(machine.name)
        finally:
            with suppress(subprocess.CalledProcessError):
                run_program("ip", "link", "delete", self._switch)

    def clear(self) -> None:
        """Takes all disks away; the machines are off."""
        if self._disks.is_mount():
            run_program("umount", str(self._disks))

    def _make_disks(self) -> None:
        """Makes the disks and keys, unless an earlier run has.

        Raises:
            ResourceError: If there can be no machines.
        """
        if why := why_no_ssh_machines():
            raise ResourceError(
                "there can be no machines here",
                seen=why,
                fix="As root on Debian: apt-get install openssh-server rsync iproute2.",
            )
        self._disks.mkdir(parents=True, exist_ok=True)
        if not self._disks.is_mount():
            size = f"size={self._size}m,mode=755"
            run_program("mount", "-t", "tmpfs", "-o", size, "palo-rig", str(self._disks))
        if not self._key.exists():
            _make_key(self._key)
        for machine in self._machines.values():
            if not machine.home.is_dir():
                self._make_disk(machine)

    def _make_disk(self, machine: SshMachine) -> None:
        for part in _PARTS:
            (machine.disk / part).mkdir(parents=True)
        (machine.disk / "tmp").chmod(0o1777)
        machine.home.chmod(0o700)
        own = machine.home / ".ssh"
        own.mkdir(mode=0o700)
        _make_key(own / "host_key")
        (own / "server").write_text(_SERVER)
        shutil.copy(self._key, own / "id_ed25519")
        shutil.copy(self._key.with_suffix(".pub"), own / "authorized_keys")

    def copy_disk(self, source: str, target: str) -> None:
        """Makes a machine's disk a copy of another one's; both are off.

        Args:
            source: Name of the other one.
            target: Name of the machine.
        """
        shutil.rmtree(self[target].disk)
        run_program("cp", "-a", str(self[source].disk), str(self[target].disk))

    def turn_on(self, name: str) -> None:
        """Turns a machine on, and waits for its SSH server.

        Args:
            name: Its name.

        Raises:
            ResourceError: If it doesn't answer.
        """
        machine = self[name]
        # They may lie where the machine has mounted its own, or on another disk of this one.
        places = {to: f"{machine.disk}/also/{number}" for number, to in enumerate(self._also)}
        kept = {to: f"{place}/seen" for to, place in places.items()}
        begin = _BEGIN.format(
            disk=machine.disk,
            # It leads nowhere, but programs find their own address by it.
            gateway=self.address,
            hosts="\n".join(f"{one.address} {one.name}" for one in self._machines.values()),
            home=HOME,
            kept="\n".join(_copy(at, places[to]) for to, at in self._also.items()),
            binds="\n".join(_bind(at, to[1:]) for to, at in (self._shared | kept).items()),
            name=name,
            address=machine.address,
            sshd=shutil.which("sshd"),
        )
        log = self._folder / f"{name}.log"
        with log.open("wb") as file:
            command = ["unshare", *_NAMESPACES, "sh", "-c", begin]
            process = subprocess.Popen(command, stdout=file, stderr=file)  # noqa: S603
        machine.process = process
        wait_until_up(lambda: has_own_network(process.pid), process, log)
        link = f"{self._switch}-{machine.address.rsplit('.', 1)[1]}"
        peer = ("peer", "name", "eth0", "netns", str(process.pid))
        run_program("ip", "link", "add", link, "type", "veth", *peer)
        run_program("ip", "link", "set", link, "master", self._switch, "up")
        wait_until_up(lambda: self.run(name, "true").returncode == 0, process, log)

    def lose(self, name: str) -> None:
        """Takes a machine's power away; its disk stays.

        Args:
            name: Its name.
        """
        machine = self[name]
        if machine.process is None:
            return
        family = []
        with suppress(psutil.NoSuchProcess):  # it ended by itself
            family = psutil.Process(machine.process.pid).children(recursive=True)
        machine.process.kill()
        machine.process.wait()
        psutil.wait_procs(family, timeout=_UP_S)
        machine.process = None

    def run(self, name: str, command: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command on a machine to its end, as its user does in a shell.

        Args:
            name: Name of the machine.
            command: The command.
        """
        words = self._ssh(name, command)
        return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603

    def start(self, name: str, command: str, log: Path) -> "subprocess.Popen[bytes]":
        """Starts a command on a machine.

        Args:
            name: Name of the machine.
            command: The command.
            log: File of this machine that gets what it says.
        """
        with log.open("ab") as file:
            return subprocess.Popen(self._ssh(name, command), stdout=file, stderr=file)  # noqa: S603

    def _ssh(self, name: str, command: str) -> list[str]:
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        given = [word for option in options for word in ("-o", option)]
        shell = f"bash --login -c {shlex.quote(command)}"
        return ["ssh", "-n", *given, "-i", str(self._key), f"root@{self[name].address}", shell]


def _bind(source: str, target: str) -> str:
    return f"mkdir -p {target} && mount --bind {source} {target}"


def _copy(source: str, place: str) -> str:
    parts = f"lowerdir={source},upperdir={place}/upper,workdir={place}/work"
    return (
        f"mkdir -p {place}/upper {place}/work {place}/seen && "
        f"mount -t overlay rig -o {parts} {place}/seen"
    )


def _make_key(path: Path) -> None:
    run_program("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
