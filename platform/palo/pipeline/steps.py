"""The steps of a run, each done once: scenes, corpora, pretrain, finetune, with time and memory."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

from palo import storage
from palo.checkpoint import trainable
from palo.checkpoint.finished import StageResult, is_finished, read_stage
from palo.checkpoint.soundness import newest_cursor
from palo.config import to_dict
from palo.corpus.build import build_corpus
from palo.corpus.config import (
    IMAGES_PER_SHARD,
    LIST_SUFFIX,
    CorpusConfig,
    SourceConfig,
    read_source_list,
)
from palo.corpus.filter.mixture import EVERYTHING
from palo.corpus.report.report import report_path, write_report
from palo.data.corpus_reader import open_corpus
from palo.errors import ConfigError
from palo.evaluate.generation import AnswerSettings
from palo.evaluate.stage_scores import StageScores
from palo.machine import PeakMemory
from palo.pipeline.corpus_names import corpus_name
from palo.pipeline.run_keeper import claimed, note_step
from palo.progress import Meter, duration
from palo.recipes.recipe import Recipe
from palo.scenes.corpus import write_scenes
from palo.terminal import visible
from palo.text.encoding import EncodingLimits
from palo.train.eval_callback import EvalCallback
from palo.train.launch import run_stage
from palo.train.metrics import plot_loss
from palo.train.stage_identity import identity
from palo.train.stage_plan import chosen_samples
from palo.train.stages import StageConfig, StageJob

StageName = Literal["pretrain", "finetune"]

_USUAL_LANGUAGE = "en"
_FEW_STEPS, _FEW_STEPS_AN_EPOCH = 20, 4


def draw_scenes(recipe: Recipe) -> None:
    """Draws the recipe's scenes, if it has any and they are not there yet.

    Args:
        recipe: The run.
    """
    if recipe.scenes is None:
        return
    folder = recipe.output / "scenes"
    wanted = to_dict(recipe.scenes)
    marker = folder / "scenes.json"
    if marker.is_file() and storage.read_json(marker)["config"] == wanted:
        print(f"scenes    already drawn in {folder}")
        return
    meter = Meter("draw", "images", _speaker("scenes"), recipe.scenes.num_train_scenes)
    with measured(recipe, "scenes"):
        corpus = write_scenes(folder, recipe.scenes, on_drawn=lambda: meter.add(1))
        meter.finish()
    print(f"scenes    {corpus.num_records:,} conversations, {corpus.num_captions:,} captions")


def corpus_config(recipe: Recipe, stage: StageName) -> CorpusConfig:
    """Returns the settings of a stage's corpus; all corpora share image stores where they can.

    Args:
        recipe: The run.
        stage: The stage.

    Raises:
        ConfigError: If the recipe has no such stage.
    """
    data = recipe.data
    settings = recipe.pretrain if stage == "pretrain" else recipe.finetune
    if settings is None:
        raise ConfigError(
            "the recipe has no pretrain stage",
            fix=f"It starts from the projector in {recipe.projector}.",
        )
    captions = stage == "pretrain"
    aspect = data.pretrain_aspect if captions else data.aspect
    config = CorpusConfig(
        sources=_sources(recipe, stage),
        output=recipe.corpora_folder / stage,
        tokenizer=recipe.parts.tokenizer,
        tower=recipe.parts.tower,
        template=settings.template,
        limits=EncodingLimits(max_text_tokens=data.max_text_tokens, overflow=data.overflow),
        image_size=recipe.parts.image_size,
        aspect=aspect,
        image_stores=recipe.image_stores_folder,
        store=data.store,
        encoders=data.encoders,
        images_per_shard=max(IMAGES_PER_SHARD, data.encoders.batch),
        cleaning=data.cleaning,
        mixture=EVERYTHING if captions else data.mixture,
        max_bad_share=data.max_bad_share,
    )
    if recipe.corpora is None:
        return config
    return replace(config, output=recipe.corpora / f"{stage}-{corpus_name(config)}")


def _sources(recipe: Recipe, stage: StageName) -> tuple[SourceConfig, ...]:
    data = recipe.data
    captions = stage == "pretrain"
    more = () if captions or data.more_instructions is None else (_more_source(recipe),)
    path = recipe.source(data.captions if captions else data.instructions)
    if path.suffix == LIST_SUFFIX:
        listed = read_source_list(path)
        if data.language is None:
            return (*listed, *more)
        named = tuple(replace(one, language=one.language or data.language) for one in listed)
        return (*named, *more)
    images = recipe.source(data.captions_images if captions else data.instructions_images)
    name = "captions" if captions else "instructions"
    return (
        SourceConfig(
            name=name,
            path=path,
            images=images,
            language=data.language or _USUAL_LANGUAGE,
            image_place=data.image_place,
        ),
        *more,
    )


def _more_source(recipe: Recipe) -> SourceConfig:
    data = recipe.data
    assert data.more_instructions is not None
    return SourceConfig(
        name="more-instructions",
        path=recipe.source(data.more_instructions),
        images=recipe.source(data.instructions_images),
        language=data.more_language or data.language or _USUAL_LANGUAGE,
        image_place=data.image_place,
    )


def build_corpora(recipe: Recipe) -> None:
    """Builds the corpus of each stage with Ray Data; does nothing where one is there already.

    Args:
        recipe: The run. Ray must be running.
    """
    recipe.parts.require()
    stages: tuple[StageName, ...] = ("pretrain", "finetune") if recipe.pretrain else ("finetune",)
    for stage in stages:
        with measured(recipe, f"{stage}_corpus"):
            _build(corpus_config(recipe, stage), f"{stage}_corpus", with_report=recipe.data.report)


def _build(config: CorpusConfig, step: str, *, with_report: bool) -> None:
    say = _speaker(step)
    built = build_corpus(config, say=say)
    page = report_path(config.output)
    if with_report and (not built.reused or not page.exists()):
        write_report(config.output)
    if page.exists():
        say(f"report: {page}")


def _speaker(step: str) -> Callable[[str], None]:
    return lambda line: print(f"{step}  {visible(line)}", flush=True)


def stage_job(recipe: Recipe, stage: StageName) -> StageJob:
    """Returns the training job of a stage.

    Args:
        recipe: The run.
        stage: The stage.
    """
    config = corpus_config(recipe, stage)
    if stage == "pretrain":
        assert recipe.pretrain is not None
        return StageJob(
            name="pretrain",
            config=recipe.pretrain,
            parts=recipe.parts,
            corpus=config.output,
            output=recipe.pretrain_folder,
            recipe=recipe.scale,
        )
    return StageJob(
        name="finetune",
        config=recipe.finetune,
        parts=recipe.parts,
        corpus=config.output,
        output=recipe.finetune_folder,
        projector=recipe.pretrain_folder if recipe.pretrain else recipe.projector,
        recipe=recipe.scale,
    )


def pretrain(recipe: Recipe) -> None:
    """Trains the projector, unless the recipe starts from a trained one.

    Args:
        recipe: The run. Ray must be running.
    """
    if recipe.pretrain is None:
        print(f"pretrain  left out: the projector of {recipe.projector} is the start")
        return
    with _alone_if_shared(recipe):
        _train(recipe, "pretrain")


def _alone_if_shared(recipe: Recipe) -> AbstractContextManager[object]:
    """Keeps other runs out of a pretrain stage that they share; a run's own folder is its own."""
    if recipe.pretrain_output is None:
        return nullcontext()
    return claimed(recipe.output, recipe.pretrain_output)


def finetune(recipe: Recipe) -> None:
    """Trains the projector with LoRA weights or with the whole language model.

    Args:
        recipe: The run. Ray must be running.
    """
    _train(recipe, "finetune")


def _train(recipe: Recipe, stage: StageName) -> StageResult:
    """Trains a stage with Ray Train, from its last checkpoint; does nothing if it is finished.

    Raises:
        MismatchError: If its folder holds a run with other settings or other data.
    """
    recipe.parts.require()
    job = _absolute(stage_job(recipe, stage))
    cursor = newest_cursor(job.checkpoints)
    if cursor is not None:
        trainable.check_continues(cursor.identity, identity(job), job.output)
    if is_finished(job.output):
        print(f"{stage}  already finished in {job.output}")
        return read_stage(job.output)
    if cursor is not None:
        print(f"{stage}  resumes from {trainable.name_of(cursor.step)}")
    elif hint := few_steps(stage, job.config, _num_samples(job)):
        print(f"{stage}  {hint}")
    with measured(recipe, stage):
        result = run_stage(job, _eval_callback(recipe, job))
        plot_loss(job.metrics, title=stage)
    return result


def _num_samples(job: StageJob) -> int:
    return int(chosen_samples(open_corpus(job.corpus), job.config).sum())


def few_steps(stage: StageName, config: StageConfig, num_samples: int) -> str | None:
    """Returns what to say where the data makes too few optimizer steps to learn from, else None.

    Args:
        stage: The stage.
        config: Its settings.
        num_samples: Samples of its corpus.
    """
    num_steps = config.epochs * math.ceil(num_samples / config.global_batch)
    if config.max_steps is not None or num_steps >= _FEW_STEPS:
        return None
    batch = max(1, min(config.global_batch, num_samples // _FEW_STEPS_AN_EPOCH))
    epochs = math.ceil(_FEW_STEPS / math.ceil(num_samples / batch))
    flags = f"--{stage}.global-batch {batch} --{stage}.epochs {max(config.epochs, epochs)}"
    return (
        f"few steps to learn in: {num_steps}, of {num_samples} samples in batches of up to "
        f"{config.global_batch}. For more: {flags} --output ANOTHER-FOLDER"
    )


def _eval_callback(recipe: Recipe, job: StageJob) -> EvalCallback | None:
    """Returns the evaluation during the finetune stage; None without one."""
    data = recipe.data
    if job.name != "finetune" or data.score_every is None:
        return None
    assert data.questions is not None
    assert data.questions_images is not None
    scores = StageScores(
        questions=recipe.source(data.questions).resolve(),
        images=recipe.source(data.questions_images).resolve(),
        per_language=data.scored_questions,
        decoding=AnswerSettings(max_new_tokens=data.max_answer_tokens),
        output=job.output / "scores.jsonl",
    )
    return EvalCallback(every=data.score_every, run=scores, notes=scores.output)


def _absolute(job: StageJob) -> StageJob:
    """Makes every path absolute: Ray's workers run in another folder."""
    parts = replace(
        job.parts,
        tower=job.parts.tower.resolve(),
        language_model=job.parts.language_model.resolve(),
        tokenizer=job.parts.tokenizer.resolve(),
    )
    return replace(
        job,
        parts=parts,
        corpus=job.corpus.resolve(),
        output=job.output.resolve(),
        projector=job.projector.resolve() if job.projector else None,
    )


@contextmanager
def measured(recipe: Recipe, step: str) -> Iterator[None]:
    """Records the wall time of a step and the most memory that all its processes held.

    Args:
        recipe: The run.
        step: The step's name in timings.json.
    """
    storage.ensure_folder(recipe.output)
    note_step(recipe.output, step)
    started = time.monotonic()
    with PeakMemory() as memory:
        yield
    seconds = time.monotonic() - started
    values = {"wall_s": round(seconds, 1), "peak_memory_gib": round(memory.peak_gib, 2)}
    storage.write_json(_timings(recipe), {**read_timings(recipe), step: values})
    print(f"{step}  done in {duration(seconds)}", flush=True)


def read_timings(recipe: Recipe) -> dict[str, dict[str, float]]:
    """Reads wall time in seconds and peak memory in GiB of the steps that were run, by step.

    Args:
        recipe: The run.
    """
    path = _timings(recipe)
    values: dict[str, dict[str, float]] = storage.read_json(path) if path.is_file() else {}
    return values


def _timings(recipe: Recipe) -> Path:
    return recipe.output / "timings.json"
