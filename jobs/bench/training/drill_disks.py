"""Full disks: the drill mounts disks of its own, in memory, which takes root, and fills them."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from training.drill_faults import EXIT_ERROR, Hurt, require
from training.drill_job import resized

from palo.train.stages import StageJob

# What is copied to a scratch disk must leave a GiB free there.
_DISK_MIB = 1400
_BALLAST_BYTES = 1 << 20


def fill_disk(hurt: Hurt) -> None:
    """The disk of the run folder is full: the run ends, and resumes with more room."""
    with _own_disk(hurt.folder / "disk") as disk:
        mounted = replace(hurt.job, output=disk / "run")
        _fill(hurt, mounted, disk)
        shutil.copytree(mounted.output, hurt.job.output)


def fill_scratch(hurt: Hurt) -> None:
    """The scratch disk is full, on which a run folder on S3 has its copy."""
    with _own_disk(hurt.folder / "disk") as disk:
        _fill(hurt, resized(hurt.job, scratch=disk / "scratch"), disk)


def _fill(hurt: Hurt, job: StageJob, disk: Path) -> None:
    run = hurt.begin(job)
    hurt.now(job)
    ballast = disk / "ballast"
    _write_until_full(ballast)
    require(run.end(EXIT_ERROR), "disk space")
    hurt.recovered()
    ballast.unlink()
    hurt.now(job)
    hurt.finish(job)


def _write_until_full(ballast: Path) -> None:
    """Takes all the space, the last page of which the run itself may want meanwhile."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(_BALLAST_BYTES))


@contextmanager
def _own_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "palo-drill", str(folder))
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))  # what was killed may still end in it


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words
