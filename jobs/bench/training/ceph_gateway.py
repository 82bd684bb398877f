"""A Ceph cluster for a test or a drill: a monitor, an OSD in memory and a gateway that speaks S3.

All of it listens on 127.0.0.1, keeps its files in a temporary folder, and dies with the process
that started it. No service of the system is used, no file outside of the folder is written.
Run this file to keep one for tests until Ctrl-C: it prints what to set.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from palo.command import run_job
from palo.errors import ConfigError, StorageError

_PACKAGES = ("ceph-mon", "ceph-osd", "radosgw")
_PROGRAMS = (
    "ceph",
    "ceph-authtool",
    "ceph-mon",
    "ceph-osd",
    "monmaptool",
    "radosgw",
    "radosgw-admin",
    "setpriv",
)
_UP_S = 90.0
_POLL_S = 0.05
_SETTINGS = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
keyring = {folder}/keyring
run dir = {folder}
admin socket =
log file = {folder}/$name.log
mon data = {folder}/mon
osd data = {folder}/osd
mgr data = {folder}/mgr
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
mon warn on pool no redundancy = false
# One monitor has nobody to wait for.
paxos propose interval = 0.02
paxos min wait = 0.01
# Without tcp_nodelay each small read takes 40 ms more.
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw data = {folder}/rgw
rgw thread pool size = 64
"""


def require_ceph() -> None:
    """Looks for the programs.

    Raises:
        ConfigError: If some are not installed.
    """
    if missing := [name for name in _PROGRAMS if shutil.which(name) is None]:
        raise ConfigError(
            "Ceph isn't installed here",
            seen=f"no {', '.join(missing)}",
            fix=f"On Debian: apt-get install --no-install-recommends {' '.join(_PACKAGES)}",
        )


class CephGateway:
    """A cluster that runs, and its gateway, which `start` starts.

    Args:
        access_key: Of its only user.
        secret_key: Of its only user.

    Attributes:
        port: Of the gateway, on 127.0.0.1; it stays the same.

    Raises:
        ConfigError: If Ceph isn't installed.
        StorageError: If it doesn't come up.
    """

    def __init__(self, access_key: str, secret_key: str) -> None:
        require_ceph()
        self._folder = Path(tempfile.mkdtemp(prefix="palo-ceph-"))
        self._config = self._folder / "ceph.conf"
        self.port, self._mon_port, self._fsid = _free_port(), _free_port(), str(uuid.uuid4())
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        try:
            self._start_cluster()
            keys = (f"--access-key={access_key}", f"--secret-key={secret_key}")
            self._run("radosgw-admin", "user", "create", "--uid=palo", "--display-name=palo", *keys)
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Starts the gateway, and returns when it takes connections.

        Raises:
            StorageError: If it doesn't.
        """
        self._start("radosgw", "-n", "client.admin")
        until = time.monotonic() + _UP_S
        while time.monotonic() < until and self._daemons["radosgw"].poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(_POLL_S)
        raise self._failed(f"no gateway on port {self.port}", self._folder / "radosgw.out")

    def stop(self) -> None:
        """Kills the gateway: requests break off, others are refused. The cluster keeps all."""
        _end(self._daemons.pop("radosgw"))

    def suspend(self) -> None:
        """Holds the gateway up: connections are accepted, and nothing is answered."""
        self._daemons["radosgw"].send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a gateway that was held up go on."""
        self._daemons["radosgw"].send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends all that was started here, and deletes its files."""
        while self._daemons:
            _end(self._daemons.popitem()[1])
        shutil.rmtree(self._folder)

    def _start_cluster(self) -> None:
        self._config.write_text(
            _SETTINGS.format(
                folder=self._folder, fsid=self._fsid, mon_port=self._mon_port, port=self.port
            )
        )
        monmap, keyring = str(self._folder / "monmap"), str(self._folder / "keyring")
        place = f"[v2:127.0.0.1:{self._mon_port}]"
        self._run("monmaptool", "--create", "--addv", "a", place, "--fsid", self._fsid, monmap)
        every = [word for kind in ("mon", "osd", "mgr") for word in ("--cap", kind, "allow *")]
        for new, name in (("--create-keyring", "mon."), ("", "client.admin"), ("", "osd.0")):
            words = [new] if new else []
            self._run("ceph-authtool", *words, keyring, "--gen-key", "-n", name, *every)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._start("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self._run("ceph", "--connect-timeout", "60", "osd", "new", osd)
        (self._folder / "osd").mkdir()
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._start("ceph-osd", "-i", "0")

    def _run(self, program: str, *arguments: str) -> None:
        output = self._folder / f"{program}.run"
        command = [program, "-c", str(self._config), *arguments]
        with output.open("wb") as out:
            try:
                done = subprocess.run(  # noqa: S603 - programs that are named here
                    command, stdout=out, stderr=out, timeout=_UP_S, check=False
                )
            except subprocess.TimeoutExpired:
                raise self._failed(f"{program} takes more than {_UP_S:g} s", output) from None
        if done.returncode:
            raise self._failed(f"{program} ends with exit code {done.returncode}", output)

    def _start(self, program: str, *arguments: str) -> None:
        # The kernel ends it with this process, also where that is killed. Ctrl-C is for us alone.
        command = ["setpriv", "--pdeathsig", "KILL", program, "-c", str(self._config), "-f"]
        with (self._folder / f"{program}.out").open("ab") as out:
            self._daemons[program] = subprocess.Popen(  # noqa: S603 - programs that are named here
                [*command, *arguments], stdout=out, stderr=out, start_new_session=True
            )

    def _failed(self, fact: str, output: Path) -> StorageError:
        lines = output.read_text(errors="replace").strip().splitlines()
        return StorageError(
            f"Ceph doesn't come up: {fact}",
            seen=lines[-1] if lines else "it says nothing",
            fix="Look for memory, disk space and a busy machine, and try again.",
        )


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.kill()  # what it holds is thrown away: there is nothing to be put in order
    daemon.wait()


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    return port


def _keep_one(_arguments: list[str]) -> None:
    with contextlib.closing(CephGateway("testing", "testing")) as gateway:
        gateway.start()
        print(f"PALO_TEST_S3_ENDPOINT=127.0.0.1:{gateway.port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    run_job(_keep_one)
