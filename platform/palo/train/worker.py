"""A training worker: restores a checkpoint, trains and writes the results."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from palo.checkpoint import trainable
from palo.checkpoint.finished import StageResult, write_stage
from palo.checkpoint.parts import ModelParts, weights_fingerprint
from palo.data.corpus_part import CorpusPart, split_held_out
from palo.data.corpus_reader import Corpus, open_corpus
from palo.data.loader import PackLoader
from palo.text.tokenizer import load_tokenizer
from palo.train.activity import Activity
from palo.train.checkpointer import Checkpointer
from palo.train.dry_batch import run_dry_batch
from palo.train.engine import TrainEngine
from palo.train.eval_callback import EvalCallback
from palo.train.faults import PreemptedError
from palo.train.local_copies import local_copies
from palo.train.loop import LoopSettings, train
from palo.train.model_flops import count_flops
from palo.train.preemption import Notices, no_notice
from palo.train.run_store import RunStore, open_run_store
from palo.train.settled import settle
from palo.train.stage_hooks import Looks, preprocessing_of, recording, stage_hooks
from palo.train.stage_identity import identity
from palo.train.stage_model import build_model, result_weights
from palo.train.stage_plan import make_plan
from palo.train.stage_record import Machine, stage_record, this_machine
from palo.train.stages import StageConfig, StageJob
from palo.train.validation import Validator


def train_stage(
    job: StageJob,
    engine_of: Callable[[Any, StageConfig], TrainEngine],
    callback: EvalCallback | None = None,
    notice: Notices = no_notice,
    activity: Activity | None = None,
) -> StageResult | None:
    """Trains a stage on this worker from its newest checkpoint to its end.

    Args:
        job: The stage.
        engine_of: Makes an Engine from (model, stage settings).
        callback: Evaluates the model while it is trained.
        notice: Tells whether a node will be taken away.
        activity: Notes what this worker does, for whoever asks.

    Returns:
        On rank 0 what was written, on others None; also None when it was stopped before the end.

    Raises:
        PreemptedError: If it was stopped by a notice; the checkpoint is in the store by then.
        StorageError: If the store has been away for too long.
        TrainingError: If losses or gradients are not finite, step after step.
    """
    activity = activity or Activity()
    near = local_copies(job)
    corpus = open_corpus(job.corpus, near.samples)
    # Once: naming the corpus reads columns of all its samples.
    known = identity(replace(job, parts=near.parts))  # contents, the same wherever they lie
    stage, notes = settle(job.config, near.parts, corpus)
    job = replace(job, config=stage)
    rows, held_out = _checked_rows(corpus, near.parts, stage)
    activity.enter("load", 0)
    model = build_model(near.parts, stage, job.projector)
    flops = count_flops(model, stage.trains)
    tokens_per_image = model.config.tokens_per_image
    engine = engine_of(model, stage)
    plan = make_plan(rows, stage, tokens_per_image)
    num_steps = min(plan.num_steps, stage.max_steps or plan.num_steps)
    store = open_run_store(job, writes=engine.rank == 0)
    checkpoints = Checkpointer(store, engine, known)
    try:
        for kind, text in notes if engine.rank == 0 else []:
            store.note(kind, text)
        if stage.workers.use_gpu:
            activity.enter("dry", 0)
            run_dry_batch(engine, rows, plan, chunked_loss=stage.chunked_loss)
        start = _resumed(checkpoints, activity)
        if start < num_steps:
            validator = None
            if held_out is not None:
                validator = Validator(engine, held_out, stage, tokens_per_image, num_steps)
            own_part = {"rank": engine.rank, "world_size": engine.world_size, "start_step": start}
            loader = PackLoader(rows, plan, **own_part, pin=stage.workers.use_gpu)
            with loader, recording(store, engine, plan, flops, start, held_out) as recorder:
                looks = Looks(
                    store.job, engine, corpus, checkpoints, recorder, validator, callback, num_steps
                )
                hooks = stage_hooks(engine, store, looks, notice, activity)
                finished = train(engine, iter(loader), _loop_settings(stage, num_steps), hooks)
            activity.enter("finish", num_steps)
            checkpoints.wait()
            if not finished:
                _tell_preempted(engine, notice)
                return None
        return _finish(store, engine, corpus, known, num_steps)
    finally:
        checkpoints.close()
        store.close()


def _checked_rows(
    corpus: Corpus, parts: ModelParts, stage: StageConfig
) -> tuple[Corpus | CorpusPart, CorpusPart | None]:
    """Returns the rows to train on and those that are held out, of a corpus that fits the model."""
    corpus.check(
        tokenizer_fingerprint=load_tokenizer(parts.tokenizer).fingerprint,
        tower_fingerprint=weights_fingerprint(parts.tower),
        template=stage.template,
    )
    chosen = stage.validation
    rows, held_out = split_held_out(corpus, chosen.rows_per_language, chosen.most_share)
    return rows, held_out.in_languages(stage.languages) if held_out else None


def _resumed(checkpoints: Checkpointer, activity: Activity) -> int:
    """Returns the steps that are done, with their state restored."""
    activity.enter("restore", 0)
    start = checkpoints.resume()
    activity.enter("data", start)  # for the first of which the loader is started
    return start


def _loop_settings(stage: StageConfig, num_steps: int) -> LoopSettings:
    return LoopSettings(
        num_steps=num_steps,
        warmup_ratio=stage.optimizer.warmup_ratio,
        seed=stage.seed,
        chunked_loss=stage.chunked_loss,
    )


def _tell_preempted(engine: TrainEngine, notice: Notices) -> None:
    """Waits for rank 0, which has the checkpoint in the store then, and tells why the stage ended.

    Raises:
        PreemptedError: If any worker had a notice.
    """
    notices = torch.tensor([float(notice())], dtype=torch.float64)
    if float(engine.sum_over_workers(notices)) > 0:
        raise PreemptedError("a node of the workers will be taken away")


def _finish(
    store: RunStore, engine: TrainEngine, corpus: Corpus, known: dict[str, str], num_steps: int
) -> StageResult | None:
    machines = _machines(engine)
    if engine.rank != 0:
        return None
    job = store.job
    states = trainable.read_states(store.at(_result_step(store, num_steps)))
    record = stage_record(job, corpus.manifest, known, machines)

    def write() -> StageResult:
        return write_stage(
            job.output,
            result_weights(job, states),
            parts=job.parts,
            lora=job.config.lora,
            template=job.config.template,
            preprocessing=preprocessing_of(corpus),
            lineage=record,
        )

    return store.finish(write)


def _result_step(store: RunStore, num_steps: int) -> int:
    """Returns the steps after which the weights are the stage's result."""
    if store.job.config.result == "last":
        return num_steps
    (path,) = trainable.best(store.job.checkpoints)
    cursor = trainable.read_cursor(path)
    loss = "unknown" if cursor.held_out_loss is None else f"{cursor.held_out_loss:.4f}"
    store.note("result", f"the result is step {cursor.step}; loss on held-out rows {loss}")
    return cursor.step


def _machines(engine: TrainEngine) -> list[Machine]:
    """Returns the machine of each worker; every worker must call it."""
    own = this_machine()
    if engine.world_size == 1:
        return [own]
    every: list[Machine] = [own] * engine.world_size
    torch.distributed.all_gather_object(every, own)
    return every
