"""Portable checkpoints: what trains, with its Adam moments, independent of the number of workers.

A checkpoint is a folder `step-00000120` with `trainable.safetensors` (float32; keys `weight/NAME`,
`exp_avg/NAME`, `exp_avg_sq/NAME`) and `state.json`. The random state needs no file: every step
seeds itself from (seed, step, rank).
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from palo import storage
from palo.checkpoint.tensors import write_tensors
from palo.errors import MismatchError, StorageError

FORMAT_VERSION = 2
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
        version: Format of the checkpoint.
    """

    step: int
    identity: Mapping[str, str]
    config: Mapping[str, Any]
    version: int = FORMAT_VERSION


def save(folder: Path, states: Mapping[str, ParameterState], cursor: Cursor, keep: int) -> Path:
    """Writes one whole checkpoint in a folder, or none, and removes the oldest ones.

    Args:
        folder: Folder of all checkpoints of a stage.
        states: Trainable parameters by canonical name.
        cursor: Where the stage stands.
        keep: How many of the newest checkpoints stay.

    Returns:
        The checkpoint's folder.

    Raises:
        StorageError: If it can't be written.
    """
    final = folder / f"step-{cursor.step:08d}"
    partial = folder / f".{final.name}.{os.getpid()}.partial"
    tensors = {
        f"{part}/{name}": getattr(state, part) for name, state in states.items() for part in _PARTS
    }
    with storage.wrap_os_errors("write the checkpoint", final):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            write_tensors(partial / "trainable.safetensors", tensors)
            storage.write_json(partial / "state.json", asdict(cursor))
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        for old in every(folder)[:-keep]:
            shutil.rmtree(old)
    return final


def every(folder: Path) -> list[Path]:
    """Returns the finished checkpoints in a folder, oldest first.

    Args:
        folder: Folder of the checkpoints, which may not exist.
    """
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def read_cursor(checkpoint: Path) -> Cursor:
    """Reads the position of a checkpoint.

    Args:
        checkpoint: Folder of the checkpoint.

    Raises:
        MismatchError: If another version of the project wrote it.
    """
    values = storage.read_json(checkpoint / "state.json")
    if values.get("version") != FORMAT_VERSION:
        raise MismatchError(
            f"{checkpoint} has another format version",
            seen=values.get("version"),
            fix=f"This version reads {FORMAT_VERSION}: use the version that wrote it, or delete "
            f"{checkpoint.parent.parent} to train that stage again.",
        )
    return Cursor(**values)


def read_states(checkpoint: Path) -> dict[str, ParameterState]:
    """Reads every trainable parameter with its moments, by canonical name.

    Args:
        checkpoint: Folder of the checkpoint.

    Raises:
        StorageError: If the file is missing or damaged.
    """
    path = checkpoint / "trainable.safetensors"
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
