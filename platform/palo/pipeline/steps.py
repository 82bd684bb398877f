"""The steps of a run, each done once: scenes, corpora, align, pretrain, finetune."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Literal, get_args

from palo import storage
from palo.checkpoint import trainable
from palo.checkpoint.finished import StageResult, is_finished, read_stage
from palo.checkpoint.merged_language_model import merged_language_model
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
from palo.corpus.filter.mixture import EVERYTHING, MixtureSettings
from palo.corpus.parallel.write import parallel_sources
from palo.corpus.report.report import report_path, write_report
from palo.data.corpus_reader import open_corpus
from palo.errors import ConfigError
from palo.evaluate.generation import AnswerSettings
from palo.evaluate.stage_scores import StageScores
from palo.pipeline.corpus_names import corpus_name
from palo.pipeline.parallel_text import parallel_folder, parallel_settings, prepare_text
from palo.pipeline.timings import measured
from palo.progress import Meter
from palo.recipes.recipe import Recipe
from palo.scenes.corpus import write_scenes
from palo.scenes.phrase_book import silent_codes
from palo.terminal import visible
from palo.text.encoding import EncodingLimits
from palo.train.eval_callback import EvalCallback
from palo.train.launch import run_stage
from palo.train.metrics import plot_loss
from palo.train.stage_identity import identity
from palo.train.stage_plan import chosen_samples
from palo.train.stages import StageConfig, StageJob

StageName = Literal["align", "pretrain", "finetune"]

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
    if not recipe.scenes.languages and (silent := silent_codes()):
        print(f"scenes    speak no {', '.join(silent)}: words are missing in scenes.toml")
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
    settings: StageConfig | None = getattr(recipe, stage)
    if settings is None:
        raise ConfigError(
            f"the recipe has no {stage} stage",
            fix=f"It starts from the projector in {recipe.projector}."
            if stage == "pretrain"
            else "Give it parallel text: --parallel FILE.",
        )
    aspect = data.pretrain_aspect if stage == "pretrain" else data.aspect
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
        mixture=_mixture(recipe, stage),
        max_bad_share=data.max_bad_share,
    )
    if recipe.corpora is None:
        return config
    return replace(config, output=recipe.corpora / f"{stage}-{corpus_name(config)}")


def _mixture(recipe: Recipe, stage: StageName) -> MixtureSettings:
    if stage == "align" and recipe.parallel is not None:
        return recipe.parallel.mixture
    return EVERYTHING if stage == "pretrain" else recipe.data.mixture


def _sources(recipe: Recipe, stage: StageName) -> tuple[SourceConfig, ...]:
    data = recipe.data
    if stage == "align":
        return parallel_sources(parallel_settings(recipe), parallel_folder(recipe))
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


def stage_names(recipe: Recipe) -> tuple[StageName, ...]:
    """Returns the stages of a recipe, in their order.

    Args:
        recipe: The run.
    """
    every: tuple[StageName, ...] = get_args(StageName)
    return tuple(stage for stage in every if getattr(recipe, stage) is not None)


def build_corpora(recipe: Recipe) -> None:
    """Builds the corpus of each stage with Ray Data; does nothing where one is there already.

    Args:
        recipe: The run. Ray must be running.
    """
    recipe.parts.require()
    for stage in stage_names(recipe):
        if stage == "align":
            prepare_text(recipe, _speaker("align_corpus"))
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
    settings: StageConfig | None = getattr(recipe, stage)
    assert settings is not None
    folders = {
        "align": recipe.align_folder,
        "pretrain": recipe.pretrain_folder,
        "finetune": recipe.finetune_folder,
    }
    start = recipe.pretrain_folder if recipe.pretrain else recipe.projector
    return StageJob(
        name=stage,
        config=settings,
        parts=recipe.parts if stage == "align" else recipe.image_parts,
        corpus=corpus_config(recipe, stage).output,
        output=folders[stage],
        projector=start if stage == "finetune" else None,
        recipe=recipe.scale,
    )


def align(recipe: Recipe) -> None:
    """Trains the language model on parallel text, if the recipe has any.

    Its adapter is merged into the language model that the image stages start from.

    Args:
        recipe: The run. Ray must be running.
    """
    if recipe.align is None:
        return
    folder = merged_language_model(_train(recipe, "align"))
    print(f"align  the image stages start from {folder}")


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
    storage.ensure_folder(recipe.pretrain_output)
    return storage.alone_in(recipe.pretrain_output)


def finetune(recipe: Recipe) -> None:
    """Trains LoRA weights or the whole language model, and the projector with them.

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
    shared = recipe.finetune_output  # several stages in one run: each has its time
    with measured(recipe, f"{stage}_{shared.parent.name}" if shared else stage):
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
