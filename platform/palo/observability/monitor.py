"""Runs Prometheus and Grafana beside a cluster's head until they are stopped."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from palo.account import cache_folder
from palo.errors import ResourceError
from palo.observability.monitor_files import MonitorSettings, write_grafana, write_prometheus
from palo.storage import ensure_folder

_READY_S = 120.0
_LOOK_EVERY_S = 0.5
_END_S = 20.0
_SHOWN = 300
_GET_PROMETHEUS = (
    "Install it (apt-get install prometheus, or https://prometheus.io/download), or name it: "
    "--prometheus PATH."
)
_GET_GRAFANA = (
    "Install it (https://grafana.com/grafana/download, under the AGPL), name it: --grafana "
    "PATH/bin/grafana, or do without: --no-dashboards."
)
# Where Debian's package has it; an archive has it above bin/.
_PACKAGED_HOME = Path("/usr/share/grafana")


class Monitor:
    """Prometheus and Grafana of one head.

    Args:
        settings: What is watched.
        boards: Folder of our dashboards.
        say: Takes lines for people.

    Raises:
        ResourceError: If a program is missing, a port is taken or no Ray has run here.
    """

    def __init__(self, settings: MonitorSettings, boards: Path, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._folder = ensure_folder(settings.folder or cache_folder() / "monitor").absolute()
        self._commands = {
            "prometheus": [
                _program(settings.prometheus, "Prometheus", _GET_PROMETHEUS),
                *write_prometheus(settings, self._folder),
            ]
        }
        self._ready = {"prometheus": f"{settings.url(settings.port)}/-/ready"}
        if settings.dashboards:
            grafana = _program(settings.grafana, "Grafana", _GET_GRAFANA)
            self._commands["grafana"] = [
                grafana,
                "server",
                f"--homepath={_home(Path(grafana))}",
                *write_grafana(settings, self._folder, boards),
            ]
            self._ready["grafana"] = f"{settings.url(settings.grafana_port)}/api/health"

    def run(self) -> None:
        """Runs both until one ends or the process is interrupted, and ends what it started.

        Raises:
            ResourceError: If one doesn't start, or ends.
        """
        settings = self._settings
        ports = {"port": settings.port}
        if settings.dashboards:
            ports["grafana-port"] = settings.grafana_port
        for flag, port in ports.items():
            _require_free(flag, port)
        with ExitStack() as stack:
            started = {
                name: stack.enter_context(_running(command, self._log(name)))
                for name, command in self._commands.items()
            }
            for name in started:
                self._await(name, started)
            self._tell()
            while True:
                self._require_alive(started)
                time.sleep(_LOOK_EVERY_S)

    def _tell(self) -> None:
        settings = self._settings
        endpoint = settings.endpoint if settings.key_file else "no endpoint: give --key-file"
        self._say(f"Prometheus  {settings.url(settings.port)}  Ray's nodes; {endpoint}")
        if settings.dashboards:
            self._say(f"Grafana     {settings.url(settings.grafana_port)}  dashboards PALO and Ray")
        self._say(f"kept for {settings.keep_days} days in {self._folder}; Ctrl-C ends it")

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _await(self, name: str, started: "dict[str, subprocess.Popen[bytes]]") -> None:
        until = time.monotonic() + _READY_S
        with httpx.Client(trust_env=False, timeout=2.0) as client:
            while time.monotonic() < until:
                self._require_alive(started)
                if _answers(client, self._ready[name]):
                    return
                time.sleep(_LOOK_EVERY_S)
        raise ResourceError(
            f"{name} doesn't answer", seen=self._ready[name], fix=f"See {self._log(name)}."
        )

    def _require_alive(self, started: "dict[str, subprocess.Popen[bytes]]") -> None:
        for name, process in started.items():
            if (code := process.poll()) is not None:
                lines = self._log(name).read_text(errors="replace").strip().splitlines()
                raise ResourceError(
                    f"{name} has ended with {code}",
                    seen=(lines or ["it said nothing"])[-1][-_SHOWN:],
                    fix=f"See {self._log(name)}.",
                )


def _program(name: str, what: str, get: str) -> str:
    if (found := shutil.which(Path(name).expanduser())) is None:
        raise ResourceError(
            f"{what} isn't installed, and nothing is downloaded", seen=name, fix=get
        )
    return found


def _home(program: Path) -> Path:
    """Returns Grafana's home: its own pages and defaults."""
    beside = program.resolve().parent.parent
    return beside if (beside / "public").is_dir() else _PACKAGED_HOME


def _require_free(flag: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ResourceError(
                f"port {port} is taken", seen=error.strerror, fix=f"Choose another: --{flag}."
            ) from error


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def _running(command: Sequence[str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Runs a program for the length of the block, in a session of its own: Ctrl-C is ours."""
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - a program that the user named
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
