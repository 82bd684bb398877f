"""One build in a process of its own, so that its memory and its end are its own.

Run as a program it builds the corpus of a configuration and writes down how it went.
"""

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from palo import storage
from palo.config import from_dict, to_dict
from palo.corpus.config import CorpusConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOutcome:
    """How a build went.

    Attributes:
        wall_s: How long it took, without the start of Ray, in seconds.
        peak_gib: Most memory of all its processes together, in GiB.
        rows_in: Rows that the sources had.
        num_samples: Samples that were made.
        num_encoded: Images that went through the tower.
        fingerprint: Of the corpus.
        lines: What it said, each line with the second it came.
        cpu_s: CPU seconds of all its processes together when each line came.
        encoder_cpu_s: Those of the processes that run the tower.
    """

    wall_s: float
    peak_gib: float
    rows_in: int
    num_samples: int
    num_encoded: int
    fingerprint: str
    lines: tuple[tuple[str, ...], ...]
    cpu_s: tuple[float, ...]
    encoder_cpu_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOrder:
    """A build to run.

    Attributes:
        config: What to build.
        cores: Logical CPUs of Ray.
        outcome: Where to write how it went.
    """

    config: CorpusConfig
    cores: int
    outcome: Path


def start_build(order: BuildOrder) -> "subprocess.Popen[bytes]":
    """Starts a build."""
    path = order.outcome.with_suffix(".order.json")
    storage.write_json(path, to_dict(order))
    order.outcome.unlink(missing_ok=True)
    command = [sys.executable, __file__, str(path)]
    with _errors(order).open("w", encoding="utf-8") as errors:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)  # noqa: S603 - this very file


def _errors(order: BuildOrder) -> Path:
    return order.outcome.with_suffix(".errors.txt")


def finish_build(order: BuildOrder, process: "subprocess.Popen[bytes]") -> BuildOutcome:
    """Waits for a build and returns how it went.

    Raises:
        RuntimeError: If it failed.
    """
    if process.wait() != 0:
        raise RuntimeError(f"a build of the bench failed: {_errors(order).read_text()[-2000:]}")
    return from_dict(BuildOutcome, storage.read_json(order.outcome))


def run_build(config: CorpusConfig, cores: int, folder: Path) -> BuildOutcome:
    """Runs a build and returns how it went.

    Args:
        config: What to build.
        cores: Logical CPUs of Ray.
        folder: Where its outcome is written.
    """
    order = BuildOrder(config=config, cores=cores, outcome=folder / "outcome.json")
    return finish_build(order, start_build(order))


def _main(path: Path) -> None:
    from palo.corpus.build import build_corpus
    from palo.machine import PeakMemory
    from palo.session import ray_session

    order = from_dict(BuildOrder, storage.read_json(path))
    lines: list[tuple[str, str]] = []
    cpu = _TreeCpu()
    spent: list[tuple[float, float]] = []
    # As what it is compared with: niceness would give way to whatever else runs here.
    with PeakMemory() as memory, ray_session(num_cpus=order.cores, niceness=0):
        start = time.monotonic()

        def say(line: str) -> None:
            lines.append((f"{time.monotonic() - start:.3f}", line))
            spent.append(cpu.seconds())

        report = build_corpus(order.config, say)
    outcome: dict[str, Any] = {
        "wall_s": report.wall_s,
        "peak_gib": memory.peak_gib,
        "rows_in": report.manifest.stages[0].rows_in,
        "num_samples": report.manifest.num_samples,
        "num_encoded": report.num_images_encoded,
        "fingerprint": report.manifest.fingerprint,
        "lines": lines,
        "cpu_s": [every for every, _ in spent],
        "encoder_cpu_s": [encoders for _, encoders in spent],
    }
    storage.write_text(order.outcome, json.dumps(outcome))


class _TreeCpu:
    """CPU seconds of this process and all below it, those that have ended since the last look too.

    On a machine that others use, they say more than seconds of the clock.
    """

    def __init__(self) -> None:
        self._by_process: dict[tuple[int, float], tuple[float, bool]] = {}

    def seconds(self) -> tuple[float, float]:
        """Returns the seconds of all processes, and those of the ones that run the tower."""
        own = psutil.Process()
        for process in (own, *own.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                title = " ".join(process.cmdline())
                key = (process.pid, process.create_time())
                self._by_process[key] = (times.user + times.system, "ShardWriter" in title)
        found = self._by_process.values()
        return sum(spent for spent, _ in found), sum(spent for spent, is_tower in found if is_tower)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
