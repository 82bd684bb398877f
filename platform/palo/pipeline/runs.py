"""The runs of a store, as anybody who can read it sees them: what each does, and how well."""

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from palo import storage
from palo.errors import DataError, PaloError
from palo.pipeline.run_record import LOST_S, RECORD, RunRecord, RunState, read_record
from palo.train.stage_files import StageFiles

# Those of a run that kept no record of its own ones.
_STAGES = ("pretrain", "finetune")
_AT_ONCE = 16
_TAIL_BYTES = 1 << 14
# What a run needs to go on, or can be made again; none of it is its result.
_NO_RESULT = ("checkpoints", "corpus", "ray", "scenes")


@dataclass(frozen=True, kw_only=True, slots=True)
class StageProgress:
    """How far a stage is.

    Attributes:
        done: Steps that are done.
        num_steps: Steps of the whole stage.
        loss: Loss of the latest step, in nats a token.
        time: When that ended, as Unix time.
    """

    done: int
    num_steps: int
    loss: float
    time: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run, as its folder shows it.

    Attributes:
        name: Name of its folder.
        folder: Its folder.
        state: What became of it; "lost" if it doesn't end and isn't seen any more, "unknown" of a
            run whose version kept no record.
        record: What it says of itself; None of such a run.
        stages: How far its stages are, by name; those that have begun.
        score: Its accuracy on held-out questions, from 0 to 1; None if it wasn't scored.
        seen: When it last showed a sign of life, as Unix time; 0.0 if that isn't known.
        size_bytes: Size of all its files.
        is_model: Whether its model is finished, and can be served.
        fault: Why some of this couldn't be read; empty if all could.
    """

    name: str
    folder: Path
    state: RunState | Literal["lost", "unknown"]
    record: RunRecord | None
    stages: dict[str, StageProgress]
    score: float | None
    seen: float
    size_bytes: int
    is_model: bool
    fault: str = ""


def list_runs(runs: Path) -> list[Run]:
    """Reads all runs, the one that was seen last first.

    Args:
        runs: Folder of the runs.

    Raises:
        StorageError: If it can't be read.
    """
    with storage.wrap_os_errors("read", runs), ThreadPoolExecutor(_AT_ONCE) as pool:
        folders = list(runs.iterdir()) if runs.is_dir() else []
        found = pool.map(lambda folder: read_run(folder) if is_run(folder) else None, folders)
        return sorted((run for run in found if run), key=lambda run: run.seen, reverse=True)


def is_run(folder: Path) -> bool:
    """Returns whether a folder is one of a run.

    Args:
        folder: Any path.
    """
    signs = (RECORD, "timings.json", *(f"{stage}/model.json" for stage in _STAGES))
    return any((folder / sign).is_file() for sign in signs)


def find_run(runs: Path, name: str) -> Path:
    """Returns the folder of a run.

    Args:
        runs: Folder of the runs.
        name: Its name, or a path.

    Raises:
        DataError: If there is none.
    """
    folder = runs / storage.path_of(name)
    if is_run(folder):
        return folder
    with storage.wrap_os_errors("read", runs):
        beside = runs.iterdir() if runs.is_dir() else ()
        known = sorted(path.name for path in beside if is_run(path))
    raise DataError(
        "there is no such run",
        seen=folder,
        fix=f"Runs there: {', '.join(known)}." if known else "There are no runs there.",
    )


def read_run(folder: Path) -> Run:
    """Reads what a run's folder shows.

    Args:
        folder: The run folder.

    Raises:
        StorageError: If it can't be read.
    """
    fault = ""
    try:
        record = read_record(folder)
    except PaloError as error:  # of another version, say: the others are to be listed
        record, fault = None, str(error)
    stages = stage_folders(folder, record)
    progress = {name: found for name, path in stages.items() if (found := _progress(path))}
    sizes = storage.tree_sizes(folder)
    is_model = PurePosixPath("finetune/model.json") in sizes
    times = [one.time for one in progress.values()] + ([record.seen] if record else [])
    return Run(
        name=folder.name,
        folder=folder,
        state=_state(record, is_model=is_model),
        record=record,
        stages=progress,
        score=_score(folder) if PurePosixPath("report.json") in sizes else None,
        seen=max(times, default=0.0),
        size_bytes=sum(sizes.values()),
        is_model=is_model,
        fault=fault,
    )


def stage_folders(run: Path, record: RunRecord | None) -> dict[str, Path]:
    """Returns the folders of a run's stages, which several runs may share, in their order.

    Args:
        run: The run folder.
        record: What the run says of itself.
    """
    if record is None:
        return {name: run / name for name in _STAGES}
    return {name: storage.path_of(folder) for name, folder in record.stages.items()}


def _state(record: RunRecord | None, *, is_model: bool) -> RunState | Literal["lost", "unknown"]:
    if record is None:
        return "finished" if is_model else "unknown"
    if record.state == "running" and time.time() - record.seen > LOST_S:
        return "lost"
    return record.state


def _progress(stage: Path) -> StageProgress | None:
    """Reads the latest line of a stage's metrics, whose file may be long."""
    path = StageFiles(stage).metrics
    if not path.is_file():
        return None
    with storage.wrap_os_errors("read", path):
        start = max(0, path.stat().st_size - _TAIL_BYTES)
    lines = storage.read_range(path, start, _TAIL_BYTES).splitlines(keepends=True)
    whole = [line for line in lines[1 if start else 0 :] if line.endswith(b"\n")]
    if not whole:
        return None
    values = json.loads(whole[-1])
    return StageProgress(
        done=int(values["step"]) + 1,
        num_steps=int(values["num_steps"]),
        loss=float(values.get("loss", math.nan)),
        time=float(values.get("time", 0.0)),
    )


def _score(run: Path) -> float | None:
    report = storage.read_json(run / "report.json")
    value = report.get("accuracy_average") if isinstance(report, dict) else None
    return float(value) if isinstance(value, int | float) else None


def result_files(run: Path, *, everything: bool = False) -> dict[PurePosixPath, int]:
    """Returns the files of a run's result, with their sizes in bytes.

    Args:
        run: The run folder.
        everything: With checkpoints, corpora and what else belongs to it.

    Raises:
        DataError: If it holds none.
        StorageError: If it can't be read.
    """
    sizes = storage.tree_sizes(run)
    if not everything:
        sizes = {name: size for name, size in sizes.items() if not _is_beside(name.parts)}
    if not sizes:
        raise DataError("the run has no result yet", seen=run, fix="Look at it later.")
    return sizes


def _is_beside(parts: Sequence[str]) -> bool:
    return any(part in _NO_RESULT for part in parts[:-1]) or parts[-1].startswith(".")


def as_values(run: Run) -> dict[str, Any]:
    """Returns a run as JSON values.

    Args:
        run: The run.
    """
    record = run.record
    return {
        "name": run.name,
        "folder": str(run.folder),
        "state": run.state,
        "recipe": record.recipe if record else None,
        "program": record.program if record else None,
        "step": record.step if record else None,
        "stages": {
            name: {"step": one.done, "num_steps": one.num_steps, "loss": _finite(one.loss)}
            for name, one in run.stages.items()
        },
        "score": run.score,
        "seen": run.seen or None,
        "started": record.started if record else None,
        "size_bytes": run.size_bytes,
        "is_model": run.is_model,
        "machine": record.machine if record else None,
        "submission": (record.submission or None) if record else None,
        "error": (record.error if record else "") or run.fault or None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
