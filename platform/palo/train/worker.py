"""A training worker: builds the model, restores a checkpoint, trains and writes the results."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from palo import config
from palo.checkpoint import trainable
from palo.checkpoint.finished import StageResult, projector_hash, read_projector, write_stage
from palo.checkpoint.parts import ModelParts, weights_fingerprint
from palo.data.corpus_reader import Corpus, open_corpus
from palo.data.loader import PackLoader
from palo.data.plan import Plan, PlanConfig
from palo.errors import DataError, MismatchError
from palo.model import attention
from palo.model.assemble import assemble
from palo.model.attention_probe import probe
from palo.model.lora import attach_lora
from palo.model.loss_head import give_loss
from palo.model.sizes import from_folders
from palo.text.tokenizer import load_tokenizer
from palo.train.checkpointer import Checkpointer
from palo.train.dry_batch import run_dry_batch
from palo.train.engine import TrainEngine, choose_trainable
from palo.train.eval_callback import EvalCallback, run_eval_callback
from palo.train.faults import PreemptedError, SkippedSteps
from palo.train.local_copies import local_copies
from palo.train.loop import Hooks, LoopSettings, train
from palo.train.metrics import MetricsLog, StepMetrics
from palo.train.preemption import Notices, no_notice
from palo.train.run_store import RunStore, open_run_store
from palo.train.stage_record import Machine, stage_record, this_machine
from palo.train.stages import StageConfig, StageJob, deepspeed_config

if TYPE_CHECKING:
    from palo.model.palo import PaloForConditionalGeneration

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Settings that may change when a run is continued: they don't change what is learned.
_FREE = (
    "workers", "zero", "checkpoint_every", "checkpoint_every_s", "keep_checkpoints", "keep_best",
    "store_wait_s", "token_budget", "recompute_every",
)  # fmt: skip
# Settings of later versions, with the values that stand for what was before them.
_LATER = {
    "languages": None,
    "rslora": False,
    "dora": False,
    "lora_plus_ratio": 1.0,
    "chunked_loss": False,
}


def build_model(parts: ModelParts, stage: StageConfig, projector: Path | None) -> Any:  # noqa: ANN401
    """Builds the model of a stage, with its trainable parameters chosen.

    Args:
        parts: The pretrained parts.
        stage: The stage's settings.
        projector: Finished stage whose projector is the start, or None.

    Returns:
        A PaloForConditionalGeneration, wrapped by PEFT if the stage trains LoRA weights.
    """
    _probe_attention(parts, stage)
    model: Any = assemble(
        parts.tower,
        parts.language_model,
        parts.projector_type,
        image_size=parts.image_size,
        seed=stage.seed,
        dtype=_DTYPES[stage.dtype],
        loading=partitioned(stage) if stage.zero.partition_at_load else None,
    )
    model.language_model.set_attn_implementation(stage.attention)
    if stage.chunked_loss:
        give_loss(model.language_model)
    if projector is not None:
        load_projector(model, projector)
    if stage.activation_checkpointing:
        model.activation_checkpointing_enable(
            {"use_reentrant": False}, every_n_layers=stage.recompute_every
        )
    if stage.lora is not None:
        torch.manual_seed(stage.seed)
        model = attach_lora(model, stage.lora)
    choose_trainable(model, stage.trains)
    return model


def _probe_attention(parts: ModelParts, stage: StageConfig) -> None:
    if stage.attention == attention.NAME:  # runs everywhere
        return
    width = from_folders(parts.tower, parts.language_model).text_config.head_dim
    device = torch.device("cuda" if stage.workers.use_gpu else "cpu")
    probe(stage.attention, _DTYPES[stage.dtype], device, width)


@contextmanager
def partitioned(stage: StageConfig) -> Iterator[None]:
    """Splits the weights that the block loads among the workers, piece by piece.

    Args:
        stage: The stage's settings.
    """
    from transformers.integrations import HfDeepSpeedConfig

    # transformers partitions every model that it builds while this object lives.
    alive = HfDeepSpeedConfig(deepspeed_config(stage))
    yield
    del alive


def load_projector(model: "PaloForConditionalGeneration", stage_folder: Path) -> None:
    """Copies the projector of a finished stage into a model.

    Args:
        model: The model.
        stage_folder: The finished stage.

    Raises:
        MismatchError: If it doesn't fit the model.
    """
    weights = read_projector(stage_folder)
    own = dict(model.projector.named_parameters())
    if {k: tuple(v.shape) for k, v in weights.items()} != {
        k: tuple(getattr(v, "ds_shape", v.shape)) for k, v in own.items()
    }:
        raise MismatchError(
            f"the projector of {stage_folder} doesn't fit this model",
            seen=", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in weights.items()),
            fix="Pretrain a projector for this model.",
        )
    for name, parameter in own.items():
        with _gathered(parameter):
            parameter.data.copy_(weights[name])


def _gathered(parameter: torch.nn.Parameter) -> AbstractContextManager[object]:
    if not hasattr(parameter, "ds_id"):
        return nullcontext()
    import deepspeed

    gathered: AbstractContextManager[object] = deepspeed.zero.GatheredParameters(
        [parameter], modifier_rank=0
    )
    return gathered


def make_plan(corpus: Corpus, stage: StageConfig, tokens_per_image: int) -> Plan:
    """Returns the plan of a stage over a corpus.

    Args:
        corpus: The corpus.
        stage: The stage's settings.
        tokens_per_image: Tokens that the projector makes of an image.

    Raises:
        DataError: If the corpus has no sample in the stage's languages.
    """
    settings = PlanConfig(
        global_batch=stage.global_batch,
        token_budget=stage.token_budget,
        tokens_per_image=tokens_per_image,
        seed=stage.seed,
        max_epochs=stage.epochs,
    )
    fingerprint = corpus.manifest.fingerprint
    chosen = chosen_samples(corpus, stage)
    return Plan(settings, fingerprint, corpus.lengths, corpus.has_image, chosen)


def chosen_samples(corpus: Corpus, stage: StageConfig) -> npt.NDArray[np.bool_]:
    """Returns (samples,) whether a stage trains on each sample of a corpus.

    Args:
        corpus: The corpus.
        stage: The stage's settings, with its languages.

    Raises:
        DataError: If the corpus has no sample in the stage's languages.
    """
    if stage.languages is None:
        return np.ones(len(corpus), bool)
    chosen = np.isin(corpus.languages, stage.languages)
    if not chosen.any():
        raise DataError(
            f"the corpus has no sample in {', '.join(stage.languages)}",
            seen=", ".join(sorted(set(corpus.languages.tolist()))),
            fix="Choose other languages, or build a corpus that has them.",
        )
    return chosen


def identity(job: StageJob) -> dict[str, str]:
    """Returns the fingerprints of everything that decides what a stage learns.

    They name contents, never paths: a run that was moved or copied stays the same run.

    Args:
        job: The stage.
    """
    settings = {k: v for k, v in config.to_dict(job.config).items() if k not in _FREE}
    return {
        "corpus": open_corpus(job.corpus).manifest.fingerprint,
        "image tower": weights_fingerprint(job.parts.tower),
        "language model": weights_fingerprint(job.parts.language_model),
        "projector": config.fingerprint([job.parts.projector_type, _projector_hash(job)]),
        "settings": config.fingerprint(_without_unused(settings)),
    }


def _without_unused(settings: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what earlier versions lacked, where it isn't used: their runs go on."""
    return {
        name: _without_unused(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if not (name in _LATER and value == _LATER[name])
    }


def _projector_hash(job: StageJob) -> str | None:
    return None if job.projector is None else projector_hash(job.projector)


def train_stage(
    job: StageJob,
    engine_of: Callable[[Any, StageConfig], TrainEngine],
    callback: EvalCallback | None = None,
    notice: Notices = no_notice,
) -> StageResult | None:
    """Trains a stage on this worker from its newest checkpoint to its end.

    Args:
        job: The stage.
        engine_of: Makes an Engine from (model, stage settings).
        callback: Evaluates the model while it is trained.
        notice: Tells whether a node will be taken away.

    Returns:
        On rank 0 what was written, on others None; also None when it was stopped before the end.

    Raises:
        PreemptedError: If it was stopped by a notice; the checkpoint is in the store by then.
        StorageError: If the store has been away for too long.
        TrainingError: If losses or gradients are not finite, step after step.
    """
    stage = job.config
    near = local_copies(job)
    corpus = open_corpus(job.corpus, near.samples)
    corpus.check(
        tokenizer_fingerprint=load_tokenizer(near.parts.tokenizer).fingerprint,
        tower_fingerprint=weights_fingerprint(near.parts.tower),
        template=stage.template,
    )
    model = build_model(near.parts, stage, job.projector)
    tokens_per_image = model.config.tokens_per_image
    engine = engine_of(model, stage)
    plan = make_plan(corpus, stage, tokens_per_image)
    num_steps = min(plan.num_steps, stage.max_steps or plan.num_steps)
    if stage.workers.use_gpu:
        run_dry_batch(engine, corpus, plan, chunked_loss=stage.chunked_loss)
    # Once: naming the corpus reads columns of all its samples.
    known = identity(replace(job, parts=near.parts))  # contents, the same wherever they lie
    store = open_run_store(job, writes=engine.rank == 0)
    checkpoints = Checkpointer(store, engine, known)
    try:
        start = checkpoints.resume()
        if start < num_steps:
            hooks = _hooks(engine, corpus, store, checkpoints, (start, num_steps), callback, notice)
            loop = LoopSettings(
                num_steps=num_steps,
                warmup_ratio=stage.optimizer.warmup_ratio,
                seed=stage.seed,
                chunked_loss=stage.chunked_loss,
            )
            own_part = {"rank": engine.rank, "world_size": engine.world_size, "start_step": start}
            with PackLoader(corpus, plan, **own_part, pin=stage.workers.use_gpu) as loader:
                finished = train(engine, iter(loader), loop, hooks)
            checkpoints.wait()
            if not finished:
                _tell_preempted(engine, notice)
                return None
        return _finish(store, engine, corpus, known, num_steps)
    finally:
        checkpoints.close()
        store.close()


def _tell_preempted(engine: TrainEngine, notice: Notices) -> None:
    """Waits for rank 0, which has the checkpoint in the store then, and tells why the stage ended.

    Raises:
        PreemptedError: If any worker had a notice.
    """
    notices = torch.tensor([float(notice())], dtype=torch.float64)
    if float(engine.sum_over_workers(notices)) > 0:
        raise PreemptedError("a node of the workers will be taken away")


def _hooks(
    engine: TrainEngine,
    corpus: Corpus,
    store: RunStore,
    checkpoints: Checkpointer,
    steps: tuple[int, int],
    callback: EvalCallback | None,
    notice: Notices,
) -> Hooks:
    """Returns what happens around the steps, from the first to the last of them."""
    start, num_steps = steps
    writes = engine.rank == 0
    log = MetricsLog(store.metrics, start) if writes else None
    skipped = SkippedSteps(store.note if writes else lambda kind, text: None)

    def record(metrics: StepMetrics) -> None:
        if log is not None:
            log.append(metrics)
            store.grown(store.metrics)

    def on_step(metrics: StepMetrics) -> None:
        record(metrics)
        checkpoints.count(metrics)
        skipped.none()

    def on_skipped(metrics: StepMetrics, sample_ids: Sequence[str]) -> None:
        record(metrics)
        checkpoints.count_skipped()
        skipped.one(metrics, sample_ids)

    def evaluate(done: int) -> None:
        if callback is not None and callback.is_due(done, num_steps):
            _evaluate(store.job, engine, corpus, callback, done)

    return Hooks(
        on_step=on_step,
        on_skipped=on_skipped,
        save=checkpoints.save,
        evaluate=evaluate,
        stop_requested=lambda: (writes and store.stop_requested()) or notice(),
        save_requested=checkpoints.is_due,
    )


def _evaluate(
    job: StageJob, engine: TrainEngine, corpus: Corpus, callback: EvalCallback, done: int
) -> None:
    states = engine.gather()
    if engine.rank == 0:
        run_eval_callback(callback, job, states, _preprocessing(corpus), done)


def _preprocessing(corpus: Corpus) -> dict[str, Any] | None:
    return config.to_dict(corpus.images.spec.preprocessing) if corpus.images else None


def _finish(
    store: RunStore, engine: TrainEngine, corpus: Corpus, known: dict[str, str], num_steps: int
) -> StageResult | None:
    machines = _machines(engine)
    if engine.rank != 0:
        return None
    job = store.job
    states = trainable.read_states(store.at(num_steps))
    record = stage_record(job, corpus.manifest, known, machines)

    def write() -> StageResult:
        return write_stage(
            job.output,
            {name: state.weight for name, state in states.items()},
            parts=job.parts,
            lora=job.config.lora,
            template=job.config.template,
            preprocessing=_preprocessing(corpus),
            lineage=record,
        )

    return store.finish(write)


def _machines(engine: TrainEngine) -> list[Machine]:
    """Returns the machine of each worker; every worker must call it."""
    own = this_machine()
    if engine.world_size == 1:
        return [own]
    every: list[Machine] = [own] * engine.world_size
    torch.distributed.all_gather_object(every, own)
    return every
