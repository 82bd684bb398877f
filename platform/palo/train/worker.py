"""A training worker: builds the model, restores a checkpoint, trains and writes the results."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from palo import config
from palo.checkpoint import trainable
from palo.checkpoint.finished import StageResult, projector_hash, read_projector, write_stage
from palo.checkpoint.parts import ModelParts, weights_fingerprint
from palo.data.corpus_part import CorpusPart, split_held_out
from palo.data.corpus_reader import Corpus, open_corpus
from palo.data.loader import PackLoader
from palo.data.plan import Plan, PlanConfig
from palo.errors import MismatchError
from palo.model import attention
from palo.model.assemble import assemble
from palo.model.attention_probe import probe
from palo.model.lora import attach_lora
from palo.model.loss_head import give_loss
from palo.model.sizes import from_folders
from palo.text.tokenizer import load_tokenizer
from palo.train.engine import TrainEngine, choose_trainable
from palo.train.eval_callback import EvalCallback, run_eval_callback
from palo.train.local_copies import local_copies
from palo.train.loop import Hooks, LoopSettings, train
from palo.train.model_flops import ModelFlops, count_flops
from palo.train.recorder import StageRecorder
from palo.train.stage_record import Machine, stage_record, this_machine
from palo.train.stages import StageConfig, StageJob, deepspeed_config
from palo.train.validation import Validator

if TYPE_CHECKING:
    from palo.model.palo import PaloForConditionalGeneration

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Settings that may change when a run is continued: they don't change what is learned.
_FREE = (
    "workers",
    "zero",
    "checkpoint_every",
    "keep_checkpoints",
    "token_budget",
    "activation_checkpointing",
    "recompute_every",
    "metrics",
)


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


def make_plan(corpus: Corpus | CorpusPart, stage: StageConfig, tokens_per_image: int) -> Plan:
    """Returns the plan of a stage over a corpus.

    Args:
        corpus: The corpus, or its part that is trained on.
        stage: The stage's settings.
        tokens_per_image: Tokens that the projector makes of an image.
    """
    settings = PlanConfig(
        global_batch=stage.global_batch,
        token_budget=stage.token_budget,
        tokens_per_image=tokens_per_image,
        seed=stage.seed,
        max_epochs=stage.epochs,
    )
    return Plan(settings, corpus.manifest.fingerprint, corpus.lengths, corpus.has_image)


def identity(job: StageJob) -> dict[str, str]:
    """Returns the fingerprints of everything that decides what a stage learns.

    They name contents, never paths: a run that was moved or copied stays the same run.

    Args:
        job: The stage.
    """
    settings = {k: v for k, v in config.to_dict(job.config).items() if k not in _FREE}
    # When the loss on held-out rows is computed is free; which rows these are is not.
    del settings["validation"]["every"]
    if job.config.validation.rows_per_language == 0:
        del settings["validation"]
    return {
        "corpus": open_corpus(job.corpus).manifest.fingerprint,
        "image tower": weights_fingerprint(job.parts.tower),
        "language model": weights_fingerprint(job.parts.language_model),
        "projector": config.fingerprint([job.parts.projector_type, _projector_hash(job)]),
        "settings": config.fingerprint(settings),
    }


def _projector_hash(job: StageJob) -> str | None:
    return None if job.projector is None else projector_hash(job.projector)


def train_stage(
    job: StageJob,
    engine_of: Callable[[Any, StageConfig], TrainEngine],
    callback: EvalCallback | None = None,
) -> StageResult | None:
    """Trains a stage on this worker from its newest checkpoint to its end.

    Args:
        job: The stage.
        engine_of: Makes an Engine from (model, stage settings).
        callback: Evaluates the model while it is trained.

    Returns:
        On rank 0 what was written, on others None; also None when it was stopped before the end.
    """
    stage = job.config
    near = local_copies(job)
    corpus = open_corpus(job.corpus, near.samples)
    corpus.check(
        tokenizer_fingerprint=load_tokenizer(near.parts.tokenizer).fingerprint,
        tower_fingerprint=weights_fingerprint(near.parts.tower),
        template=stage.template,
    )
    chosen = stage.validation
    rows, held_out = split_held_out(corpus, chosen.rows_per_language, chosen.most_share)
    model = build_model(near.parts, stage, job.projector)
    flops = count_flops(model, stage.trains)
    tokens_per_image = model.config.tokens_per_image
    engine = engine_of(model, stage)
    plan = make_plan(rows, stage, tokens_per_image)
    num_steps = min(plan.num_steps, stage.max_steps or plan.num_steps)
    # Once: naming the corpus reads columns of all its samples.
    known = identity(replace(job, parts=near.parts))  # contents, the same wherever they lie
    start = _resume(job, engine, known)
    if start == num_steps:
        return _finish(job, engine, corpus, known)

    validator = None
    if held_out is not None:
        validator = Validator(engine, held_out, stage, tokens_per_image, num_steps)

    def evaluate(done: int) -> None:
        if validator is not None and validator.is_due(done):
            validation = validator.run(done)
            if recorder is not None:
                recorder.validated(validation)
        if callback is not None and callback.is_due(done, num_steps):
            _evaluate(job, engine, corpus, callback, done)

    loader = PackLoader(
        rows,
        plan,
        rank=engine.rank,
        world_size=engine.world_size,
        start_step=start,
        pin=stage.workers.use_gpu,
    )
    with loader, _recorder(job, engine, plan, flops, start, held_out) as recorder:
        hooks = Hooks(
            on_step=recorder.step if recorder else lambda _metrics, _ranks: None,
            save=lambda step: _save(job, engine, step, known),
            evaluate=evaluate,
            stop_requested=lambda: engine.rank == 0 and job.stop_file.exists(),
        )
        finished = train(engine, iter(loader), _loop_settings(stage, num_steps), hooks)
    return _finish(job, engine, corpus, known) if finished else None


def _loop_settings(stage: StageConfig, num_steps: int) -> LoopSettings:
    return LoopSettings(
        num_steps=num_steps,
        warmup_ratio=stage.optimizer.warmup_ratio,
        checkpoint_every=stage.checkpoint_every,
        seed=stage.seed,
        chunked_loss=stage.chunked_loss,
    )


@contextmanager
def _recorder(
    job: StageJob,
    engine: TrainEngine,
    plan: Plan,
    flops: ModelFlops,
    start: int,
    held_out: CorpusPart | None,
) -> Iterator[StageRecorder | None]:
    """Gives the first worker a recorder, and closes it however the block ends."""
    if engine.rank != 0:
        yield None
        return
    counts = Counter(held_out.languages.tolist()) if held_out is not None else {}
    recorder = StageRecorder(job, job.files, engine, plan, flops, start=start, held_out=counts)
    try:
        yield recorder
    finally:
        recorder.close()


def _resume(job: StageJob, engine: TrainEngine, known: dict[str, str]) -> int:
    checkpoints = trainable.every(job.checkpoints)
    if not checkpoints:
        return 0
    cursor = trainable.read_cursor(checkpoints[-1])
    trainable.check_continues(cursor.identity, known, job.output)
    engine.restore(trainable.read_states(checkpoints[-1]), cursor.step)
    return cursor.step


def _save(job: StageJob, engine: TrainEngine, step: int, known: dict[str, str]) -> None:
    states = engine.gather()
    if engine.rank == 0:
        cursor = trainable.Cursor(step=step, identity=known, config=config.to_dict(job))
        trainable.save(job.checkpoints, states, cursor, job.config.keep_checkpoints)


def _evaluate(
    job: StageJob, engine: TrainEngine, corpus: Corpus, callback: EvalCallback, done: int
) -> None:
    states = engine.gather()
    if engine.rank == 0:
        run_eval_callback(callback, job, states, _preprocessing(corpus), done)


def _preprocessing(corpus: Corpus) -> dict[str, Any] | None:
    return config.to_dict(corpus.images.spec.preprocessing) if corpus.images else None


def _finish(
    job: StageJob, engine: TrainEngine, corpus: Corpus, known: dict[str, str]
) -> StageResult | None:
    machines = _machines(engine)
    if engine.rank != 0:
        return None
    states = trainable.read_states(trainable.every(job.checkpoints)[-1])
    manifest = corpus.manifest
    return write_stage(
        job.output,
        {name: state.weight for name, state in states.items()},
        parts=job.parts,
        lora=job.config.lora,
        template=job.config.template,
        preprocessing=_preprocessing(corpus),
        lineage=stage_record(job, manifest, known, machines),
    )


def _machines(engine: TrainEngine) -> list[Machine]:
    """Returns the machine of each worker; every worker must call it."""
    own = this_machine()
    if engine.world_size == 1:
        return [own]
    every: list[Machine] = [own] * engine.world_size
    torch.distributed.all_gather_object(every, own)
    return every
