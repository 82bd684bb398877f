"""Builds that are killed at random moments, and go on: nothing lost, nothing twice.

Half of the kills end the driver, and with it its whole private Ray; the others end a worker process
that is at work. A build that ended is started again with the same command. Only processes that the
drill started, and their descendants, are ended, each by its id.
"""

import contextlib
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
from corpus_parts.builds import BuildOrder, BuildOutcome, finish_build, run_build, start_build
from corpus_parts.inputs import scratch, write_inputs
from corpus_parts.rows import RowSettings
from corpus_parts.sentences import Sentences
from corpus_parts.settings import CorpusBench
from corpus_parts.sizes import corpus_config
from resuming import say

from palo import storage
from palo.benchmark import Figure, spread
from palo.corpus.config import CorpusConfig

_POLL_S = 0.05
_END_S = 30.0
_WORKER = "ray::"
_NO_WORK = ("IDLE", "Agent")  # the node's own agents have such names too
_NOBODY = "nobody, the build was done before"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kill:
    """What one kill met and what became of the build.

    Attributes:
        victim: The driver, or what the worker was doing.
        is_going_on: Whether the build came to its end without being started again.
        after_s: When it came, in seconds after the build's process started.
        done_before: Tasks that were finished then.
        done_again: Of those, how many were run again.
        num_lost: Samples of the undisturbed build that are not there.
        num_doubled: Samples that are there more often than they should.
        is_equal: Whether the fingerprint is that of the undisturbed build.
    """

    victim: str
    is_going_on: bool
    after_s: float
    done_before: int
    done_again: int
    num_lost: int
    num_doubled: int
    is_equal: bool


def measure_kills(settings: CorpusBench, sentences: Sentences, root: Path) -> list[Figure]:
    """Builds once undisturbed, then kills one build after the other."""
    count = settings.scaled(settings.killed_records, 200)
    num_images = max(64, count // 25)
    rows = RowSettings(num_records=count, num_images=num_images, seed=settings.seed)
    inputs = write_inputs(settings, rows, sentences)
    generator = random.Random(settings.seed)  # noqa: S311 - moments of a drill
    kills: list[_Kill] = []
    with scratch(settings, "killed") as folder:
        config = corpus_config(inputs, folder / "undisturbed", root)
        start = time.monotonic()
        undisturbed = run_build(config, settings.cores, folder)
        length_s = time.monotonic() - start
        expected = _samples(config.output)
        while len(kills) < settings.kills:
            number = len(kills)
            drill = _Drill(
                corpus_config(inputs, folder / f"corpus-{number}", root), settings.cores, folder
            )
            victim = ("driver", "worker")[number % 2]
            after_s = generator.uniform(0.05, 0.95) * length_s
            outcome, kill = drill.run(victim, after_s, generator)
            judged = _judged(kill, outcome, undisturbed, expected, drill.output)
            say(f"kill {number + 1}: {judged}")
            if kill.victim != _NOBODY:
                kills.append(judged)
            storage.remove(drill.output)
    return _figures(kills)


def _samples(corpus: Path) -> Counter[str]:
    """Counts the names of all samples in a corpus's folder."""
    found: Counter[str] = Counter()
    for path in sorted((corpus / "samples").rglob("*.parquet")):
        found.update(storage.read_table(path, ["sample_id"]).column(0).to_pylist())
    return found


def _figures(kills: list[_Kill]) -> list[Figure]:
    before = [kill.done_before for kill in kills]
    of_workers = [kill for kill in kills if kill.victim != "driver"]
    lost, doubled, equal = (
        sum(getattr(kill, name) for kill in kills)
        for name in ("num_lost", "num_doubled", "is_equal")
    )
    again = sum(kill.done_again for kill in kills)
    return [
        spread("kills", [len(kills)], "kills"),
        spread("kills_of_workers", [len(of_workers)], "kills"),
        spread("kills_of_workers_survived", [sum(k.is_going_on for k in of_workers)], "kills"),
        spread("kills_rows_lost", [lost], "rows", target=0, better="lower"),
        spread("kills_rows_doubled", [doubled], "rows", target=0, better="lower"),
        spread(
            "kills_equal_fingerprints",
            [equal / len(kills)],
            "1",
            target=1.0,
            better="higher",
        ),
        spread("kills_tasks_done_before", before, "tasks"),
        spread("kills_tasks_done_again_share", [again / max(1, sum(before))], "1"),
    ]


def _judged(
    kill: _Kill,
    outcome: BuildOutcome,
    undisturbed: BuildOutcome,
    expected: Counter[str],
    corpus: Path,
) -> _Kill:
    found = _samples(corpus)
    return _Kill(
        victim=kill.victim,
        is_going_on=kill.is_going_on,
        after_s=kill.after_s,
        done_before=kill.done_before,
        done_again=kill.done_again,
        num_lost=(expected - found).total(),
        num_doubled=(found - expected).total(),
        is_equal=outcome.fingerprint == undisturbed.fingerprint,
    )


class _Drill:
    """One build that is killed once.

    Args:
        config: What is built.
        cores: Logical CPUs of its Ray.
        folder: For what its processes write down.
    """

    def __init__(self, config: CorpusConfig, cores: int, folder: Path) -> None:
        self.output = config.output
        self._order = BuildOrder(config=config, cores=cores, outcome=folder / "drill.json")

    def run(
        self, victim: str, after_s: float, generator: random.Random
    ) -> tuple[BuildOutcome, _Kill]:
        """Starts the build, kills the victim, and lets the build come to its end."""
        process = start_build(self._order)
        family = _Family(process)
        earliest = time.monotonic() + after_s
        killed = ""
        while not killed and process.poll() is None:
            family.look()
            if time.monotonic() >= earliest:
                killed = family.kill(victim, generator)
            time.sleep(_POLL_S)
        before = self._done()
        is_going_on = process.wait() == 0
        if not is_going_on:
            family.end()
            process = start_build(self._order)
        outcome = finish_build(self._order, process)
        after = self._done()
        again = sum(after.get(path) != stamp for path, stamp in before.items())
        kill = _Kill(
            victim=killed or _NOBODY,
            is_going_on=is_going_on,
            after_s=after_s,
            done_before=len(before),
            done_again=again,
            num_lost=0,
            num_doubled=0,
            is_equal=False,
        )
        return outcome, kill

    def _done(self) -> dict[str, int]:
        """Returns when the entry of each finished task was written, in nanoseconds since 1970."""
        found = {}
        for path in (self.output / "done").glob("*/**/*.json"):
            with contextlib.suppress(FileNotFoundError):  # a build that runs takes entries back
                found[str(path)] = path.stat().st_mtime_ns
        return found


class _Family:
    """The processes of a build: those that the drill may end.

    Args:
        process: The driver.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._driver = psutil.Process(process.pid)
        self._members: set[psutil.Process] = {self._driver}

    def look(self) -> None:
        """Notes which processes there are; a process that ends leaves its children unknown."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._members.update(self._driver.children(recursive=True))

    def kill(self, victim: str, generator: random.Random) -> str:
        """Ends the driver, or one of Ray's workers that is at work, at once.

        Returns:
            Whom; nothing if no worker is at work.
        """
        if victim == "driver":
            self._driver.kill()
            return victim
        members = sorted(self._members, key=lambda member: member.pid)
        workers = [(member, title) for member in members if (title := _title(member))]
        if not workers:
            return ""
        worker, title = generator.choice(workers)
        try:
            worker.kill()
        except psutil.NoSuchProcess:
            return ""
        return title

    def end(self) -> None:
        """Waits until all of them have ended, and ends those that don't."""
        _, alive = psutil.wait_procs(self._members, timeout=_END_S)
        for member in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(alive, timeout=_END_S)


def _title(process: psutil.Process) -> str:
    """Returns what a worker of Ray is doing; nothing if it is idle, or another process."""
    try:
        title = "".join(process.cmdline()[:1]).strip()
    except psutil.Error:
        return ""
    is_busy = title.startswith(_WORKER) and not title.endswith(_NO_WORK)
    return title if is_busy else ""
