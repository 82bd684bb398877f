"""Runs of a store from anywhere: what each does, its result, its log, and a way to stop it.

    python jobs/runs.py list [--json]
    python jobs/runs.py show NAME
    python jobs/runs.py get NAME [--output FOLDER] [--everything]
    python jobs/runs.py logs NAME [--follow]
    python jobs/runs.py stop NAME

PALO_STORE or --store names the store, with its credentials as for every job; without a store they
are the runs of this checkout. No cluster is asked. NAME is that of a run's folder.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from palo import command, config
from palo.errors import ConfigError, ResourceError
from palo.machine import GIB
from palo.pipeline.runs import Run, as_values, find_run, list_runs, read_run, result_files
from palo.progress import byte_meter, duration
from palo.store import RUNS, lasting_path
from palo.terminal import visible

_HEADINGS = ("RUN", "STATE", "AT", "STEP", "LOSS", "SCORE", "SEEN", "SIZE", "MODEL")
_GAP = "  "


@dataclass(frozen=True, kw_only=True, slots=True)
class RunsJob:
    """Shows, fetches and stops runs of a store.

    Attributes:
        action: What to do.
        name: Name of the run; list takes none.
        output: Folder that a result is fetched to; runs/NAME by default.
        everything: Fetches checkpoints, corpora and scenes, too.
        follow: Goes on with the log until the run ends.
        json: Prints JSON.
        wait_s: How long to wait for a run that was asked to stop, in seconds.
    """

    action: Positional[Literal["list", "show", "get", "logs", "stop"]] = "list"
    name: Positional[str] = ""
    output: Path | None = None
    everything: bool = False
    follow: bool = False
    json: bool = False
    wait_s: float = 900.0

    def faults(self) -> Iterator[str]:
        """Yields what contradicts itself."""
        if (self.action == "list") == bool(self.name):
            yield "list takes no name, the others take that of a run"
        if self.wait_s < 0:
            yield f"wait_s is {self.wait_s} but can't be negative"


def main(arguments: list[str]) -> None:
    """Does what was asked for.

    Args:
        arguments: The command line.
    """
    job = command.override(RunsJob(), arguments, "jobs/runs.py")
    config.check(job)
    runs = lasting_path(RUNS)
    if job.action == "list":
        _list(list_runs(runs), runs, as_json=job.json)
        return
    folder = find_run(runs, job.name)
    match job.action:
        case "show":
            _show(read_run(folder), as_json=job.json)
        case "get":
            _get(folder, job)
        case "logs":
            _follow(folder, follow=job.follow)
        case "stop":
            _stop(folder, job.wait_s)


def _list(found: list[Run], runs: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([as_values(run) for run in found], indent=2, ensure_ascii=False))
        return
    if not found:
        print(f"no runs in {runs}")
        return
    rows = [_HEADINGS, *(_cells(run) for run in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(visible(_GAP.join(cells).rstrip()))


def _cells(run: Run) -> tuple[str, ...]:
    stage = next(reversed(run.stages), None) if run.stages else None
    progress = run.stages[stage] if stage is not None else None
    return (
        run.name,
        run.state,
        (run.record.step if run.record else "") or stage or "-",
        f"{progress.done:,}/{progress.num_steps:,}" if progress else "-",
        f"{progress.loss:.4f}" if progress else "-",
        f"{run.score:.1%}" if run.score is not None else "-",
        f"{duration(max(0.0, time.time() - run.seen))} ago" if run.seen else "-",
        _size(run.size_bytes),
        "yes" if run.is_model else "-",
    )


def _size(count: int) -> str:
    return f"{count / GIB:,.1f} GiB" if count >= GIB else f"{count / 2**20:,.1f} MiB"


def _show(run: Run, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(as_values(run), indent=2, ensure_ascii=False))
        return
    record = run.record
    facts = {"run": run.name, "folder": str(run.folder), "state": run.state}
    if record is not None:
        facts |= {"recipe": record.recipe, "program": record.program, "at": record.step or "-"}
        facts |= {"driver": f"process {record.process} on {record.machine}"}
        facts |= {"job": record.submission} if record.submission else {}
        facts |= {"started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.started))}
    for name, one in run.stages.items():
        facts[name] = f"step {one.done:,} of {one.num_steps:,}, loss {one.loss:.4f}"
    if run.score is not None:
        facts["score"] = f"{run.score:.1%} of the held-out questions"
    if run.seen:
        facts["seen"] = f"{duration(max(0.0, time.time() - run.seen))} ago"
    facts["size"] = _size(run.size_bytes)
    facts["model"] = f"python jobs/serve.py {run.folder}" if run.is_model else "not finished"
    if error := (record.error if record else "") or run.fault:
        facts["error"] = error
    width = max(map(len, facts))
    for name, value in facts.items():
        print(visible(f"{name.ljust(width)}  {value}"))


def _get(folder: Path, job: RunsJob) -> None:
    from palo import storage

    target = job.output or RUNS / folder.name
    if isinstance(target, storage.S3Path) or target.resolve() == folder.resolve():
        raise ConfigError(
            "a result is fetched to another folder on a disk",
            seen=target,
            fix="Name one with --output.",
        )
    files = result_files(folder, everything=job.everything)
    total = sum(files.values())
    storage.copy_tree(folder, target, files, byte_meter("get", _say, total))
    print(f"{len(files):,} files, {_size(total)}, in {target}")


def _follow(folder: Path, *, follow: bool) -> None:
    from palo.pipeline.run_logs import log_lines

    try:
        for line in log_lines(folder, follow=follow):
            print(visible(line), flush=True)
    except KeyboardInterrupt:
        print("the run goes on", file=sys.stderr)


def _stop(folder: Path, wait_s: float) -> None:
    from palo.pipeline.run_logs import wait_until_ended
    from palo.pipeline.run_record import ask_to_stop

    run = read_run(folder)
    if run.state != "running":
        raise ResourceError(
            "this run doesn't run",
            seen=f"{run.name} is {run.state}",
            fix="See `python jobs/runs.py list`.",
        )
    ask_to_stop(folder)
    _say("asked: it saves a checkpoint after this step, and ends")
    try:
        record = wait_until_ended(folder, wait_s)
    except KeyboardInterrupt:
        _say("it was asked to stop, and will")
        return
    if record is not None and record.state == "running":
        raise ResourceError(
            "the run hasn't ended yet",
            seen=f"after {duration(wait_s)}",
            fix="It stops after its step. Look again with `python jobs/runs.py show`, or wait "
            "longer with --wait-s.",
        )
    print(f"{run.name}: {record.state if record else 'ended'}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run_job(main)
