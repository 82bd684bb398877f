"""Logs of Ray's processes on every node, kept in the store: they stay when a node has gone.

    python jobs/logs.py keep                       on a node: copies its logs until it is ended
    python jobs/logs.py list [NODE]                what is kept, from anywhere
    python jobs/logs.py show NODE/FILE [--lines 200]
    python jobs/logs.py find TEXT [--session SESSION]

`ray_cluster.yaml` and the files for Kubernetes start `keep` on every node. What a run tells is in
the run itself: `python jobs/runs.py logs NAME`.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from palo import command, config, storage
from palo.errors import ConfigError, ResourceError
from palo.observability.kept_logs import (
    FOLDER,
    KeepSettings,
    KeptFile,
    LogKeeper,
    kept_files,
    read_log,
)
from palo.progress import duration
from palo.store import lasting_path, store_root
from palo.terminal import visible

_GAP = "  "


@dataclass(frozen=True, kw_only=True, slots=True)
class LogsJob:
    """Keeps, lists and shows logs of nodes.

    Attributes:
        action: What to do.
        name: A node to list, NODE/FILE to show (with * and ?), or the text to find.
        session: Ray's session, as `list` names it; the newest by default, all of them to `list`.
        lines: Shows the last lines alone.
        keep: How logs are kept.
    """

    action: Positional[Literal["keep", "list", "show", "find"]] = "list"
    name: Positional[str] = ""
    session: str = ""
    lines: int | None = None
    keep: KeepSettings = field(default_factory=KeepSettings)

    def faults(self) -> Iterator[str]:
        """Yields what contradicts itself."""
        if self.action == "keep" and self.name:
            yield "keep takes no name"
        if self.action == "show" and "/" not in self.name:
            yield f"show takes NODE/FILE, not {self.name!r}"
        if self.action == "find" and not self.name:
            yield "find takes a text"
        if self.lines is not None and self.lines < 1:
            yield f"lines is {self.lines}, it must be at least 1"


def main(arguments: list[str]) -> None:
    """Does what was asked for.

    Args:
        arguments: The command line.
    """
    job = command.override(LogsJob(), arguments, "jobs/logs.py")
    config.check(job)
    match job.action:
        case "keep":
            _keep(job.keep)
        case "list":
            _list(job)
        case "show":
            _show(job)
        case "find":
            _find(job)


def _keep(settings: KeepSettings) -> None:
    if store_root() is None:
        raise ConfigError(
            "logs are kept in the store, and there is none",
            fix="Set PALO_STORE, or give --store: a shared folder or s3://bucket/prefix.",
        )
    root = lasting_path(Path(FOLDER))
    keeper = LogKeeper(root, settings)
    lock = storage.ensure_folder(settings.ray)
    try:
        with storage.alone_in(lock):
            print(f"keeping the logs of {settings.ray} in {root}", flush=True)
            try:
                keeper.run(lambda line: print(line, file=sys.stderr, flush=True))
            except KeyboardInterrupt:
                keeper.look()  # the last words
    except ResourceError:
        print(f"the logs of {settings.ray} are kept by another process already")


def _list(job: LogsJob) -> None:
    root = lasting_path(Path(FOLDER))
    found = kept_files(root, job.session, job.name)
    if not found:
        print(f"no logs in {root}{_GAP}{job.name}".rstrip())
        return
    rows: list[tuple[str, ...]]
    if job.name:
        rows = [("SESSION", "FILE", "KIB", "SEEN")]
        rows += [(one.session, one.name, _kib(one.size_bytes), _ago(one.written)) for one in found]
    else:
        rows = [("SESSION", "NODE", "FILES", "KIB", "SEEN")]
        by_node: dict[tuple[str, str], list[KeptFile]] = {}
        for one in found:
            by_node.setdefault((one.session, one.node), []).append(one)
        for (session, node), files in by_node.items():
            size, seen = sum(one.size_bytes for one in files), max(one.written for one in files)
            rows.append((session, node, f"{len(files):,}", _kib(size), _ago(seen)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(visible(_GAP.join(cells).rstrip()))


def _show(job: LogsJob) -> None:
    node, _, name = job.name.partition("/")
    found = [one for one in _of_session(job, node) if fnmatchcase(one.name, name)]
    if not found:
        raise ResourceError(
            "there is no such log", seen=job.name, fix=f"See `python jobs/logs.py list {node}`."
        )
    for one in found:
        if len(found) > 1:
            print(f"==> {one.node}/{one.name}")
        lines = read_log(one).splitlines()
        for line in lines[-job.lines :] if job.lines else lines:
            print(visible(line))


def _find(job: LogsJob) -> None:
    for one in _of_session(job):
        for line in read_log(one).splitlines():
            if job.name in line:
                print(visible(f"{one.node}/{one.name}: {line}"))


def _of_session(job: LogsJob, node: str = "") -> list[KeptFile]:
    found = kept_files(lasting_path(Path(FOLDER)), job.session, node)
    newest = max((one.session for one in found), default="")
    return [one for one in found if one.session == newest]


def _kib(size: int) -> str:
    return f"{size / 1024:,.0f}"


def _ago(then: float) -> str:
    return f"{duration(max(0.0, time.time() - then))} ago"


if __name__ == "__main__":
    command.run_job(main)
