"""Runs a model and its export one after the other, and compares their answers."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from palo.checkpoint.exporting.llava import stage_config
from palo.checkpoint.exporting.probes import (
    Answering,
    PaloAnswers,
    Probe,
    ProbeAnswer,
    probes_of,
    stop_ids_of,
    trained_model,
)
from palo.checkpoint.exporting.verification import Verification, compare, merge_difference
from palo.checkpoint.finished import StageResult
from palo.checkpoint.merged_weights import merged_weights
from palo.errors import ResourceError
from palo.machine import GIB
from palo.model.library_noise import without_progress_bars
from palo.progress import Meter

Loader = Callable[[StageResult, Path, torch.dtype, Sequence[int]], Answering]
"""Loads an export of a stage from a folder, to run in a type, with the ids that end an answer."""

_SPARE = 1.25  # activations, and what loading takes beside the weights


def verify(
    stage: StageResult, folder: Path, load: Loader, *, dtype: str, say: Callable[[str], None]
) -> Verification:
    """Compares an export with the model that it was made of; one of them is in memory at a time.

    Args:
        stage: The finished stage.
        folder: The export.
        load: Loads it.
        dtype: Type of its weights, such as bfloat16.
        say: Receives lines on the progress.

    Raises:
        MismatchError: If the export doesn't load, or doesn't answer as the model does.
        ResourceError: If there is too little memory.
    """
    compute = _compute_dtype(stage)
    probes, stop = probes_of(stage, stage_config(stage)), stop_ids_of(stage)
    meter = Meter("verify", "answers", say, 2 * len(probes))
    with without_progress_bars():
        reference, by_merging = _reference(stage, compute, probes, stop, meter)
        gc.collect()
        verification = compare(
            probes,
            reference,
            load(stage, folder, compute, stop),
            dtype=dtype,
            compute_dtype=str(compute).removeprefix("torch."),
            said=meter.add,
        )
    meter.finish()
    return replace(verification, merge_difference=by_merging)


def _reference(
    stage: StageResult,
    compute: torch.dtype,
    probes: Sequence[Probe],
    stop: Sequence[int],
    meter: Meter,
) -> tuple[list[ProbeAnswer], float | None]:
    model = trained_model(stage, compute)
    ask = PaloAnswers(model, stop)
    answers = []
    for probe in probes:
        answers.append(ask(probe))
        meter.add(1)
    return answers, merge_difference(model, merged_weights(stage), probes, answers)


def _compute_dtype(stage: StageResult) -> torch.dtype:
    """Returns float32 where that fits into memory, else bfloat16.

    Raises:
        ResourceError: If neither fits.
    """
    shapes = merged_weights(stage).shapes.values()
    count = sum(torch.Size(shape).numel() for shape in shapes)
    free = psutil.virtual_memory().available
    for kind in (torch.float32, torch.bfloat16):
        if count * kind.itemsize * _SPARE <= free:
            return kind
    raise ResourceError(
        "there is too little memory to compare the export with its model",
        seen=f"{count * torch.bfloat16.itemsize * _SPARE / GIB:.1f} GiB needed, {free / GIB:.1f} "
        "free",
        fix="Export on a machine with more, or with --no-verify and compare them there.",
    )
