"""What submissions may leave behind: processes, open files, ports, actors, packages, records."""

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from submitting.fates import PROGRAM

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

DAEMONS: Mapping[str, str] = {
    "gcs_server": "gcs_server",
    "raylet/raylet": "raylet",
    "dashboard/dashboard.py": "dashboard",
    "ray::DashboardAgent": "agent",
    "ray::RuntimeEnvAgent": "runtime_env_agent",
    "log_monitor.py": "log_monitor",
}
"""Ray's processes that stay as long as the head, by what their command lines hold."""
_MANY = 10_000
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What there is on a head and in the process that submits, at a moment.

    Attributes:
        job_processes: Processes of jobs.
        workers: Processes of the head beside Ray's daemons; Ray keeps some idle ones.
        ports: Ports on which Ray's daemons listen.
        open_files: Open files and sockets of each of Ray's daemons.
        memory_mib: Resident memory of each, in MiB.
        actors: Actors that live.
        placement_groups: Placement groups that weren't removed.
        packages: Packages of code in the head's memory.
        unpacked: Packages unpacked on its disk, which Ray keeps up to a size.
        records: Ray's records of jobs.
        logs: Files in the head's folder of logs.
        own_files: Open files and sockets of the process that submits.
        own_threads: Its threads.
    """

    job_processes: int
    workers: int
    ports: int
    open_files: Mapping[str, int]
    memory_mib: Mapping[str, float]
    actors: int
    placement_groups: int
    packages: int
    unpacked: int
    records: int
    logs: int
    own_files: int
    own_threads: int

    @property
    def is_quiet(self) -> bool:
        """Whether nothing of a job is left that goes by itself."""
        return self.job_processes + self.actors + self.placement_groups == 0


def count(
    client: "JobSubmissionClient", head: int, session: Path, packages: Iterable[str]
) -> Counts:
    """Counts.

    Args:
        client: The head's job server.
        head: Process of the head.
        session: Folder of its session.
        packages: Names of the packages to look for. Ray keeps one that was asked for, as if it had
            just been sent: ask for each once.

    Raises:
        RuntimeError: If one of Ray's daemons doesn't run.
    """
    from ray.util.state import list_actors, list_placement_groups

    address = client.get_address()
    actors = list_actors(address, limit=_MANY, raise_on_missing_output=False)
    groups = list_placement_groups(address, limit=_MANY, raise_on_missing_output=False)
    family = _family(head)
    daemons = {process: name for process, line in family.items() if (name := _daemon(line))}
    if missing := set(DAEMONS.values()) - set(daemons.values()):
        raise RuntimeError(f"the head lacks {', '.join(sorted(missing))}")
    unpacked = session / "runtime_resources" / "working_dir_files"
    own = psutil.Process()
    return Counts(
        job_processes=_jobs(session),
        workers=len(family) - len(daemons),
        ports=_ports(daemons),
        open_files={name: process.num_fds() for process, name in daemons.items()},
        memory_mib={name: process.memory_info().rss / _MIB for process, name in daemons.items()},
        actors=sum(actor.state != "DEAD" for actor in actors),
        placement_groups=sum(group.state != "REMOVED" for group in groups),
        packages=sum(client._package_exists(name) for name in packages),
        unpacked=sum(path.is_dir() for path in unpacked.iterdir()) if unpacked.is_dir() else 0,
        records=len(client.list_jobs()),
        logs=len(os.listdir(session / "logs")),
        own_files=own.num_fds(),
        own_threads=threading.active_count(),
    )


def _jobs(session: Path) -> int:
    """Counts processes of jobs, also those that have lost their parent, by the code they run."""
    found = 0
    for process in psutil.process_iter():
        try:
            runs_it = PROGRAM in " ".join(process.cmdline())
            found += runs_it and Path(process.cwd()).is_relative_to(session.resolve())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _family(head: int) -> dict[psutil.Process, str]:
    """Returns the processes of a head with their command lines."""
    found = {}
    for process in [psutil.Process(head), *psutil.Process(head).children(recursive=True)]:
        try:
            found[process] = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
    return found


def _daemon(line: str) -> str:
    """Returns the name of Ray's daemon with this command line; empty if it is none."""
    return next((name for part, name in DAEMONS.items() if part in line), "")


def _ports(processes: Iterable[psutil.Process]) -> int:
    connections = [one for process in processes for one in process.net_connections(kind="tcp")]
    return len({one.laddr for one in connections if one.status == psutil.CONN_LISTEN})
