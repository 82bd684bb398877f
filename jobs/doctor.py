"""Checks a machine, a running cluster or an AWS account, and says what to fix.

python jobs/doctor.py               this machine
python jobs/doctor.py gpu store     some of its checks
python jobs/doctor.py cluster       the cluster of RAY_API_SERVER_ADDRESS, or behind `ray dashboard`
python jobs/doctor.py account       what `ray up` needs, before anything costs money

It ends with 2 if there is a fault.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from palo import command
from palo.doctor.finding import Finding
from palo.errors import ResourceError

Check = Literal[
    "python", "packages", "compiler", "memory", "disk", "limits", "gpu", "ports", "token", "store",
    "cluster", "account",
]  # fmt: skip
_MACHINE: tuple[Check, ...] = (
    "python", "packages", "compiler", "memory", "disk", "limits", "gpu", "ports", "token", "store",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class DoctorJob:
    """Checks a machine, a running cluster or an account.

    Attributes:
        checks: What to check; all of this machine by default.
        lock: Lock file to compare the packages with; by default that of the checkout.
        address: The cluster's dashboard; by default as `ray job submit` finds it.
        cluster_file: The file of the cluster that `account` is about.
    """

    checks: Positional[tuple[Check, ...]] = ()
    lock: Path | None = None
    address: str | None = None
    cluster_file: Path = Path("ray_cluster.yaml")


def main(arguments: list[str]) -> None:
    """Prints a line for each finding.

    Args:
        arguments: The command line.

    Raises:
        ResourceError: If there is a fault.
    """
    job = command.override(DoctorJob(), arguments, "jobs/doctor.py")
    counts = {"ok": 0, "warning": 0, "fault": 0}
    for check in job.checks or _MACHINE:
        for finding in _run(check, job):
            print(finding, flush=True)
            counts[finding.level] += 1
    if counts["fault"]:
        raise ResourceError(
            f"{counts['fault']} faults" if counts["fault"] > 1 else "one fault",
            fix="Do what its line says, and run this again.",
        )
    print(f"no fault, {counts['warning']} warnings")


def _run(check: Check, job: DoctorJob) -> Iterable[Finding]:
    if check == "cluster":
        from palo.doctor.ray_checks import check_cluster, dashboard_address

        return check_cluster(job.address or dashboard_address())
    if check == "account":
        from palo.doctor.account_checks import check_account

        return check_account(job.cluster_file)
    return _of_machine(check, job)


def _of_machine(check: Check, job: DoctorJob) -> Iterator[Finding]:
    from palo.doctor import access_checks, gpu_checks, machine_checks

    if check == "packages":
        yield from machine_checks.check_packages(job.lock)
        return
    checks = {
        "python": machine_checks.check_python,
        "compiler": machine_checks.check_compiler,
        "memory": machine_checks.check_memory,
        "disk": machine_checks.check_disk,
        "limits": machine_checks.check_limits,
        "gpu": gpu_checks.check_gpu,
        "ports": machine_checks.check_ports,
        "token": access_checks.check_token,
        "store": access_checks.check_store,
    }
    yield from checks[check]()


if __name__ == "__main__":
    command.run_job(main)
