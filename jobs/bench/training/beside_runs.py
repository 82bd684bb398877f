"""Runs of the trainers: each a command of its own, whose processes' CPU time is watched."""

import json
import math
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from ray_head import end_family
from training.beside_inputs import Inputs
from training.beside_settings import BesideBench, Side
from training.cpu_meter import CpuMeter
from training.programs.other_settings import OtherRun

from palo import config, storage
from palo.errors import ResourceError
from palo.train.launch import worker_environment
from palo.train.loop import learning_rate_scale
from palo.train.metrics import read_metrics
from palo.train.stages import StageJob

_FOLDER = Path(__file__).parent
_LOG_CHARACTERS = 2000
_TIMEOUT_S = 600.0
# As in LLaVA's zero3.json: transformers sets what is "auto" by the model's width.
_RECIPE_ZERO: Mapping[str, Any] = {
    "stage": 3,
    "overlap_comm": True,
    "contiguous_gradients": True,
    "sub_group_size": 1_000_000_000,
    "reduce_bucket_size": "auto",
    "stage3_prefetch_bucket_size": "auto",
    "stage3_param_persistence_threshold": "auto",
    "stage3_max_live_parameters": 1_000_000_000,
    "stage3_max_reuse_distance": 1_000_000_000,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a run.

    Attributes:
        loss: Its loss, in nats a token.
        seconds: From the end of the step before, or from its own begin if it is the first.
        cpu_s: CPU time of all processes of the run meanwhile, in seconds.
    """

    loss: float
    seconds: float
    cpu_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What was measured of one run.

    Attributes:
        start_up_s: From the command to the begin of the first step, in seconds.
        steps: Its steps.
    """

    start_up_s: float
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """Seconds of all steps but the first, which also compiles and allocates."""
        return sum(step.seconds for step in self.steps[1:])


def run_side(
    settings: BesideBench, inputs: Inputs, side: Side, python: str, micro_batch: int, folder: Path
) -> Run:
    """Runs a trainer once.

    Args:
        settings: The bench's.
        inputs: What it trains on.
        side: The trainer.
        python: The Python that has it.
        micro_batch: Samples of a worker's batch; our own job packs rows instead.
        folder: Where its files go.

    Raises:
        ResourceError: If it ends with an error, or without having done its steps.
    """
    storage.ensure_folder(folder)
    job = replace(inputs.job, output=folder / "stage")
    if side.program is None:
        storage.write_json(folder / "run.json", config.to_dict(job))
        command = [python, str(_FOLDER / "stage_driver.py"), str(folder / "run.json")]
        command.append(str(settings.workers))
        environment: Mapping[str, str] = {}  # its workers get their own
    else:
        other = _other_run(settings, inputs, side, micro_batch, folder)
        storage.write_json(folder / "run.json", asdict(other))
        command = [python, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", str(settings.workers)]
        command += [str(_FOLDER / "programs" / side.program), str(folder / "run.json")]
        # The others are faster, too, with what our workers have.
        environment = {"HF_HUB_OFFLINE": "1", **worker_environment(job.config.workers)}
    launched = time.time()
    meter = _metered(command, environment, folder / "output.log")
    ends = _our_ends(job) if side.program is None else _other_ends(folder / "steps.jsonl")
    if len(ends) != settings.num_steps + 1:
        raise ResourceError(
            f"{side.name} did {len(ends) - 1} steps, not {settings.num_steps}",
            seen=_last_words(folder / "output.log"),
            fix=f"See {folder / 'output.log'}.",
        )
    steps = [
        Step(loss=loss, seconds=end - begin, cpu_s=meter.between(begin, end))
        for (begin, _), (end, loss) in pairwise(ends)
    ]
    return Run(start_up_s=ends[0][0] - launched, steps=tuple(steps))


def _metered(command: Sequence[str], environment: Mapping[str, str], log: Path) -> CpuMeter:
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 - programs of this folder
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
    try:
        with CpuMeter(psutil.Process(process.pid)) as meter:
            code = process.wait(_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ResourceError(
            f"a trainer hasn't ended after {_TIMEOUT_S:g} s: its workers may wait for one another",
            seen=_last_words(log),
            fix=f"See {log}.",
        ) from error
    finally:
        if process.poll() is None:
            end_family(process)
    if code:
        raise ResourceError(
            f"a trainer has ended with exit code {code}", seen=_last_words(log), fix=f"See {log}."
        )
    return meter


def _last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:]


def _other_run(
    settings: BesideBench, inputs: Inputs, side: Side, micro_batch: int, folder: Path
) -> OtherRun:
    """Returns the settings of another trainer's run, with our optimizer, schedule and sizes."""
    stage = inputs.job.config
    zero = {
        "stage": 3,
        "overlap_comm": False,
        "contiguous_gradients": True,
        "reduce_bucket_size": stage.zero.bucket_elements,
        "stage3_prefetch_bucket_size": stage.zero.bucket_elements,
        "stage3_param_persistence_threshold": stage.zero.persistence_threshold,
        "stage3_max_live_parameters": stage.zero.live_parameters,
        "stage3_max_reuse_distance": stage.zero.live_parameters,
    }
    total = settings.num_steps
    return OtherRun(
        folder=str(inputs.folder),
        log=str(folder / "steps.jsonl"),
        micro_batch=micro_batch,
        samples_per_step=settings.samples_per_step,
        workers=settings.workers,
        lora_rank=inputs.lora.rank,
        lora_alpha=inputs.lora.alpha,
        lr_projector=stage.optimizer.lr_projector,
        lr_language_model=stage.optimizer.lr_language_model,
        lr_scales=[
            learning_rate_scale(step, total, stage.optimizer.warmup_ratio) for step in range(total)
        ],
        betas=stage.optimizer.betas,
        eps=stage.optimizer.eps,
        max_grad_norm=stage.optimizer.max_grad_norm,
        recompute=side.recipe,
        zero=dict(_RECIPE_ZERO) if side.recipe else zero,
    )


def _our_ends(job: StageJob) -> list[tuple[float, float]]:
    """Returns when our first step began, and when each ended with which loss."""
    metrics = read_metrics(job.metrics)
    begin = metrics[0].time - metrics[0].step_s
    return [(begin, math.nan), *((each.time, each.loss) for each in metrics)]


def _other_ends(log: Path) -> list[tuple[float, float]]:
    """Returns the same of another trainer."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    begin = lines[0]["began"]
    return [(begin, math.nan), *((line["ended"], line["loss"]) for line in lines)]
