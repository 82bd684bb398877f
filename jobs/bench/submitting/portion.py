"""A portion of the submissions: a head of its own, its jobs, and what they leave."""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from ray_head import free_ports, ray_head
from resuming import say
from submitting import program
from submitting.counts import Counts, count
from submitting.fates import PROGRAM, Ended, run_case
from submitting.settings import MIX, Case, SubmissionsBench

from palo.submission.server import connect

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

_WAIT_S = 60.0
_LOOK_EVERY_S = 2.0
# Ray keeps what was sent for so long, in case that its job comes late. Ten minutes by default.
PACKAGES_KEPT_S = 15
# Ray's library reads the token once in a process, so that all heads have the same.
_TOKEN = secrets.token_hex(16)
_VARIABLES = {"RAY_RUNTIME_ENV_TEMPORARY_REFERENCE_EXPIRATION_S": str(PACKAGES_KEPT_S)}
_PACKAGES_GO_S = PACKAGES_KEPT_S + 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Portion:
    """What a portion came to.

    Attributes:
        ended: How its jobs ended.
        before: What there was after one job of each fate, which start what Ray starts once.
        after: What there was after all, when it was quiet or the time for that was over.
        settled_s: How long that took, in seconds.
    """

    ended: tuple[Ended, ...]
    before: Counts
    after: Counts
    settled_s: float


def run_portions(settings: SubmissionsBench, portions: Sequence[Sequence[Case]]) -> list[Portion]:
    """Submits the jobs of portions, each to a head of its own.

    Args:
        settings: The bench's settings.
        portions: The jobs of each.
    """
    return [_run(settings, cases) for cases in portions]


def _run(settings: SubmissionsBench, cases: Sequence[Case]) -> Portion:
    with tempfile.TemporaryDirectory(prefix="palo-subm-") as name, _head(Path(name)) as head:
        client, process, session = head
        folders = _Folders(Path(name) / "code", settings.code_every)
        packages: list[str] = []

        def run(case: Case) -> Ended:
            ended, package = run_case(client, folders.of(case), case)
            packages.extend(filter(None, [package]))
            say(f"{case.number} {case.fate}: {ended.problem or f'{ended.seconds:.1f} s'}")
            return ended

        def look() -> Counts:
            return count(client, process, session, ())

        with ThreadPoolExecutor(settings.at_once) as pool:
            list(pool.map(run, [Case(-1, fate) for fate in MIX]))
        before, _ = _settled(look, settings.settle_s)
        with ThreadPoolExecutor(settings.at_once) as pool:
            ended = tuple(pool.map(run, cases))
        _, settled_s = _settled(look, settings.settle_s)
        time.sleep(_PACKAGES_GO_S)
        after = count(client, process, session, set(packages))
    return Portion(ended=ended, before=before, after=after, settled_s=settled_s)


def _settled(look: Callable[[], Counts], wait_s: float) -> tuple[Counts, float]:
    """Looks until nothing of a job is left, or the time is over; returns the counts, and when."""
    began = time.monotonic()
    while True:
        counts = look()
        waited_s = time.monotonic() - began
        if counts.is_quiet or waited_s > wait_s:
            return counts, waited_s
        time.sleep(_LOOK_EVERY_S)


@contextmanager
def _head(folder: Path) -> Iterator[tuple["JobSubmissionClient", int, Path]]:
    """Runs a head with a job server; yields that, the head's process, its session's folder."""
    (port,) = free_ports(1)
    options = ["--num-cpus=4", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}"]
    own = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_API_SERVER_ADDRESS")
    outer = {name: os.environ.get(name) for name in own}
    with ray_head(folder, options, _VARIABLES, token=_TOKEN) as environment:
        os.environ |= {name: environment[name] for name in own[:2]}
        try:
            client = connect(f"http://127.0.0.1:{port}", _WAIT_S, say)
            children = psutil.Process().children()
            (head,) = [one.pid for one in children if str(folder) in " ".join(one.cmdline())]
            yield client, head, folder / "ray" / "session_latest"
        finally:
            for name, value in outer.items():
                os.environ.pop(name, None)
                os.environ |= {name: value} if value is not None else {}


class _Folders:
    """The code that is sent, which changes after some jobs as it does for people.

    Args:
        root: Where the folders lie.
        every: After how many jobs it changes.
    """

    def __init__(self, root: Path, every: int) -> None:
        self._root = root
        self._every = every

    def of(self, case: Case) -> Path:
        version = case.number // self._every
        folder = self._root / f"{version}"
        if not folder.is_dir():
            made = Path(tempfile.mkdtemp(dir=self._root.parent))
            shutil.copy(Path(program.__file__), made / PROGRAM)
            (made / ".rayignore").write_text("")
            (made / "version.txt").write_text(f"{version}")
            self._root.mkdir(exist_ok=True)
            try:
                made.rename(folder)
            except OSError:  # another thread was quicker
                shutil.rmtree(made)
        return folder
