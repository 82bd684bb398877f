"""The bare loop: batches in memory, forward, backward, torch's AdamW, and nothing else.

No DeepSpeed, no Ray, no communication: every process of it is alone with its part of the batches.
It has the environment of the job's workers, so that threads and memory settings are no difference.
"""

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

import torch

from palo.data.corpus_reader import open_corpus
from palo.data.loader import Batch, PackLoader
from palo.train.engine import parameter_groups, trainable_parameters
from palo.train.launch import compute_on_cpu, worker_environment
from palo.train.loop import token_losses
from palo.train.stage_model import build_model
from palo.train.stage_plan import make_plan
from palo.train.stages import StageJob


class BareStep(NamedTuple):
    """What a step took in one process.

    Attributes:
        seconds: Seconds.
        cpu_s: CPU seconds of the process.
    """

    seconds: float
    cpu_s: float


def run_bare_loops(job: StageJob) -> list[tuple[BareStep, ...]]:
    """Runs all steps in as many processes as the job has workers, at once.

    The processes live for this run alone: beside the job's own workers they need too much memory.

    Args:
        job: The stage whose model and batches they take.

    Returns:
        Each step in each process.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as ended:
        ends = []
        for rank in range(job.config.workers.count):
            own, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, job, rank), daemon=True)
            with _environment(worker_environment(job.config.workers)):
                process.start()
            theirs.close()
            ends.append(own)
            ended.callback(process.join)
        for end in ends:
            end.recv()
        for end in ends:
            end.send("run")
        return list(zip(*(end.recv() for end in ends), strict=True))


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Gives a process that starts within the block other environment variables."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(end: Connection, job: StageJob, rank: int) -> None:
    stage = job.config
    device = torch.device("cuda", rank) if stage.workers.use_gpu else torch.device("cpu")
    if not stage.workers.use_gpu:
        compute_on_cpu(stage.workers)
    model = build_model(job.parts, stage, None).to(device).train()
    batches = _batches(job, rank, model.config.tokens_per_image, device)
    groups = parameter_groups(trainable_parameters(model).items(), stage.optimizer)
    optimizer = torch.optim.AdamW(groups, betas=stage.optimizer.betas, eps=stage.optimizer.eps)
    end.send("ready")
    end.recv()
    end.send([_timed_step(model, optimizer, *batch) for batch in batches])


def _batches(
    job: StageJob, rank: int, tokens_per_image: int, device: torch.device
) -> list[tuple[list[Batch], int]]:
    """Returns the rows of each step, and the number that its loss is divided by."""
    corpus = open_corpus(job.corpus)
    plan = make_plan(corpus, job.config, tokens_per_image)
    world_size = job.config.workers.count
    with PackLoader(corpus, plan, rank=rank, world_size=world_size) as loader:
        return [
            ([row.to(device) for row in step.micro_batches], step.num_target_tokens)
            for step in loader
        ]


def _timed_step(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, rows: list[Batch], divisor: int
) -> BareStep:
    started, cpu_before = time.perf_counter(), time.process_time()
    for row in rows:
        (token_losses(model, row).sum() / divisor).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()
    if row.input_ids.is_cuda:
        torch.cuda.synchronize()
    return BareStep(time.perf_counter() - started, time.process_time() - cpu_before)
