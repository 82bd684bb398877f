"""Portable checkpoints: what trains, with its Adam moments, independent of the number of workers.

A checkpoint is a folder `step-00000120` with `trainable.safetensors` (float32; keys `weight/NAME`,
`exp_avg/NAME`, `exp_avg_sq/NAME`) and `state.json`, which names the SHA-256 of the former. On S3
`state.json` is written last and deleted first: without it there is no checkpoint. The random state
needs no file: every step seeds itself from (seed, step, rank).
"""

import math
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from palo import storage
from palo.checkpoint.tensors import write_tensors
from palo.errors import MismatchError, StorageError

FORMAT_VERSION = 4
# Format 2 has neither hashes nor a loss, format 3 no loss on held-out rows.
_READ_VERSIONS = (2, 3, FORMAT_VERSION)
WEIGHTS = "trainable.safetensors"
"""File of a checkpoint that holds its tensors."""
STATE = "state.json"
"""File of a checkpoint that says that it is whole."""
_NAME = re.compile(r"step-(\d{8})")
_PARTS = ("weight", "exp_avg", "exp_avg_sq")


class ParameterState(NamedTuple):
    """One trainable parameter with its Adam moments, whole, float32, on the CPU.

    Attributes:
        weight: Master weight.
        exp_avg: First moment, of the same shape.
        exp_avg_sq: Second moment, of the same shape.
    """

    weight: torch.Tensor
    exp_avg: torch.Tensor
    exp_avg_sq: torch.Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """Where a stage stands, and what it must be continued with.

    Attributes:
        step: Steps done, which is also the index of the next one.
        identity: What must be equal to continue: fingerprints of plan, model and settings.
        config: The resolved configuration, for people.
        skipped: Those of the steps that changed no weight, since a gradient was not finite.
        loss: Mean loss of the steps since the checkpoint before, in nats; None if unknown.
        held_out_loss: Mean of the languages' losses on held-out rows after these steps, in nats;
            None where it was not computed.
        files: SHA-256 of each of the checkpoint's other files, by name.
        version: Format of the checkpoint.
    """

    step: int
    identity: Mapping[str, str]
    config: Mapping[str, Any]
    skipped: int = 0
    loss: float | None = None
    held_out_loss: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    version: int = FORMAT_VERSION


def save(
    folder: Path,
    states: Mapping[str, ParameterState],
    cursor: Cursor,
    keep: int,
    keep_best: int = 0,
) -> Path:
    """Writes one whole checkpoint in a folder, or none, and removes others that aren't to be kept.

    Args:
        folder: Folder of all checkpoints of a stage, on a disk.
        states: Trainable parameters by canonical name.
        cursor: Where the stage stands; the hashes are added.
        keep: How many of the newest checkpoints stay.
        keep_best: How many of the best stay besides, see `best`.

    Returns:
        The checkpoint's folder.

    Raises:
        StorageError: If it can't be written.
    """
    final = folder / name_of(cursor.step)
    partial = folder / f".{final.name}.{os.getpid()}.partial"
    tensors = {
        f"{part}/{name}": getattr(state, part) for name, state in states.items() for part in _PARTS
    }
    with storage.wrap_os_errors("write the checkpoint", final):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            write_tensors(partial / WEIGHTS, tensors)
            hashed = replace(cursor, files={WEIGHTS: storage.file_hash(partial / WEIGHTS)})
            storage.write_json(partial / STATE, asdict(hashed))
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    prune(folder, keep, keep_best)
    return final


def name_of(step: int) -> str:
    """Returns the name of the checkpoint after so many steps.

    Args:
        step: The steps.
    """
    return f"step-{step:08d}"


def prune(folder: Path, keep: int, keep_best: int = 0) -> None:
    """Removes the checkpoints that aren't to be kept.

    Args:
        folder: Folder of the checkpoints.
        keep: How many of the newest ones stay.
        keep_best: How many of the best stay besides, see `best`.

    Raises:
        StorageError: If one can't be deleted.
    """
    older = every(folder)[:-keep]
    if keep_best and older:
        kept = best(folder, keep_best)
        older = [path for path in older if path not in kept]
    for path in older:
        storage.remove(path / STATE)
        storage.remove(path)


def best(folder: Path, count: int = 1) -> list[Path]:
    """Returns the best checkpoints, the best first.

    Those whose loss on held-out rows is known go by that, and before the others, which go by the
    loss that they were trained with.

    Args:
        folder: Folder of the checkpoints.
        count: How many at most.
    """
    return sorted(every(folder), key=_losses_of)[:count]


def _losses_of(checkpoint: Path) -> tuple[float, float]:
    try:
        cursor = read_cursor(checkpoint)
    except (StorageError, MismatchError):  # it is damaged: the worst
        return math.inf, math.inf
    losses = (cursor.held_out_loss, cursor.loss)
    held_out, trained = (math.inf if x is None or math.isnan(x) else x for x in losses)
    return held_out, trained


def every(folder: Path) -> list[Path]:
    """Returns the finished checkpoints in a folder, oldest first.

    Args:
        folder: Folder of the checkpoints, which may not exist.
    """
    if not folder.is_dir():
        return []
    named = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    if isinstance(folder, storage.S3Path):
        return [path for path in named if (path / STATE).is_file()]
    return named


def read_cursor(checkpoint: Path) -> Cursor:
    """Reads the position of a checkpoint.

    Args:
        checkpoint: Folder of the checkpoint.

    Raises:
        MismatchError: If another version of the project wrote it.
        StorageError: If its state is missing or damaged.
    """
    values = storage.read_json(checkpoint / STATE)
    if values.get("version") not in _READ_VERSIONS:
        raise MismatchError(
            f"{checkpoint} has another format version",
            seen=values.get("version"),
            fix=f"This version reads {FORMAT_VERSION}: use the version that wrote it, or delete "
            f"{checkpoint.parent.parent} to train that stage again.",
        )
    try:
        return Cursor(**values)
    except TypeError as error:
        raise StorageError(f"{checkpoint / STATE} is damaged", seen=error) from error


def read_states(checkpoint: Path) -> dict[str, ParameterState]:
    """Reads every trainable parameter with its moments, by canonical name.

    Args:
        checkpoint: Folder of the checkpoint.

    Raises:
        StorageError: If the file is missing or damaged.
    """
    path = checkpoint / WEIGHTS
    try:
        with storage.wrap_os_errors("read", path), safe_open(path, framework="pt") as file:
            names = [key.removeprefix("weight/") for key in file.keys() if key[0] == "w"]  # noqa: SIM118
            return {
                name: ParameterState(*(file.get_tensor(f"{part}/{name}") for part in _PARTS))
                for name in names
            }
    except SafetensorError as error:
        raise StorageError(
            f"{path} is damaged", seen=error, fix="Delete this checkpoint to use the one before it."
        ) from error


def check_continues(found: Mapping[str, str], wanted: Mapping[str, str], folder: Path) -> None:
    """Checks that a run continues the one that a folder holds.

    Args:
        found: Identity of the run in the folder.
        wanted: Identity of this run.
        folder: The folder, for the message.

    Raises:
        MismatchError: If they differ; it names every difference.
    """
    different = [key for key in wanted if found.get(key) != wanted[key]]
    if different:
        seen = ", ".join(f"{key} {found.get(key)} there, {wanted[key]} here" for key in different)
        raise MismatchError(
            f"{folder} holds a run with another {' and '.join(different)}",
            seen=seen,
            fix="Choose another --output, or delete that folder to start over.",
        )
