"""Full disks: the drill mounts small ones, in memory, which takes root."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from training.drill_faults import EXIT_ERROR, Hurt, require
from training.drill_job import resized

from palo.checkpoint import trainable


def fill_disk(hurt: Hurt) -> None:
    """The disk is full when a checkpoint is written: the run ends, and resumes with more room."""
    disk = hurt.folder / "disk"
    mounted = replace(hurt.job, output=disk / "run")
    with _small_disk(disk, _mib_of(hurt) * 3 // 2):
        said = hurt.start(mounted).end(EXIT_ERROR)
        require(said, "disk")
        _grow(disk)
        hurt.hurt_at = time.monotonic()
        hurt.finish(mounted)
        shutil.copytree(mounted.output, hurt.job.output)


def fill_scratch(hurt: Hurt) -> None:
    """The scratch disk is full when the copy of a checkpoint is written on it."""
    disk = hurt.folder / "disk"
    job = resized(hurt.job, scratch=disk / "scratch")
    with _small_disk(disk, _mib_of_inputs(hurt) + _mib_of(hurt) * 3 // 2):
        said = hurt.start(job).end(EXIT_ERROR)
        require(said, "disk")
        _grow(disk)
        hurt.hurt_at = time.monotonic()
        hurt.finish(job)


def _mib_of(hurt: Hurt) -> int:
    """Measures a checkpoint of the stage, on a run that is ended after the first."""
    probe = replace(hurt.job, output=hurt.folder / "probe")
    run = hurt.start(probe)
    run.wait_for("a checkpoint", lambda: bool(trainable.every(probe.checkpoints)))
    run.kill()
    path = trainable.every(probe.checkpoints)[0] / trainable.WEIGHTS
    return -(-path.stat().st_size // (1 << 20))


def _mib_of_inputs(hurt: Hurt) -> int:
    """Returns how much of weights and samples is copied to a scratch disk."""
    parts = hurt.job.parts
    folders = {parts.tower, parts.language_model, parts.tokenizer, hurt.job.corpus / "samples"}
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return -(-sum(path.stat().st_size for path in files) // (1 << 20)) + 1


@contextmanager
def _small_disk(folder: Path, size_mib: int) -> Iterator[None]:
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "palo-drill", str(folder))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))  # what was killed may still end in it


def _grow(folder: Path) -> None:
    _run("mount", "-o", "remount,size=1g", str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words
