"""From a recipe to the plan of its run: what of its data is known, and on which machines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.checkpoint import trainable
from palo.checkpoint.finished import is_finished
from palo.config import check, from_dict
from palo.data.corpus_reader import open_corpus
from palo.errors import DataError, MismatchError
from palo.model.config import PaloConfig
from palo.model.sizes import SIZES, from_folders
from palo.pipeline.adapters import adapter_recipes, name_of, samples_by_language
from palo.pipeline.machines import Machines
from palo.pipeline.steps import StageName, corpus_config, stage_names
from palo.recipes.recipe import Recipe
from palo.train.planner.changes import find_fit, find_quicker
from palo.train.planner.data_facts import DataFacts, assumed_facts, facts_of
from palo.train.planner.gpus import GPUS, GpuKind
from palo.train.planner.pair_facts import assumed_pairs
from palo.train.planner.run_plan import EncodePlan, RunPlan, Scaled, plan_encoding
from palo.train.planner.shapes import ModelShapes, count_parameters, shapes_of
from palo.train.planner.speed import PAPER, Efficiency, measured_efficiency, sample_operations
from palo.train.planner.stage_plan import PlanSettings, StagePlan, plan_counted, plan_stage
from palo.train.stages import StageConfig, StageJob

_SCALES = (8, 16, 32, 64)
_USUAL_LANGUAGE = "en"


def plan_recipe(recipe: Recipe, machines: Machines) -> RunPlan:
    """Plans a recipe's run.

    Args:
        recipe: The run.
        machines: The machines.

    Raises:
        ConfigError: If there is no such kind of GPU, or no such price.
        DataError: If the measured run has too few steps.
        MismatchError: If it trained a model of another scale.
    """
    check(machines)
    kind = GPUS[machines.gpu]
    stages = stages_of(recipe)
    gpu = kind if any(stage.workers.use_gpu for _, stage in stages) else None
    model = model_config(recipe)
    speed = _speed(recipe, machines, model, gpu)
    store = corpus_config(recipe, "finetune").store
    settings = PlanSettings(
        gpu=gpu,
        efficiency=speed,
        through_tower=store == "pixels",
    )
    plans = tuple(
        plan_stage(name, model, stage, _facts(recipe, name, stage, model), settings)
        for name, stage in stages
    )
    shapes = shapes_of(model)
    price = machines.price if machines.price is not None or gpu is None else gpu.price
    encode = _encoding(recipe, shapes, plans, gpu)
    quicker = {one.name: find_quicker(one, shapes, settings) for one in plans}
    return RunPlan(
        recipe=recipe.scale,
        gpu=gpu,
        price=price,
        speed_from=speed.source if speed else "unknown",
        stages=plans,
        changes={one.name: find_fit(one, shapes, settings) for one in plans if one.fits is False},
        quicker={name: change for name, change in quicker.items() if change is not None},
        encode=encode,
        scaled=tuple(_scaled(plans, shapes, settings, encode)) if gpu else (),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedAdapter:
    """The plan of one adapter of several.

    Attributes:
        name: Its name.
        recipe: The recipe of its training.
        plan: Its plan; the pretrain stage and the images are in the first adapter's.
    """

    name: str
    recipe: Recipe
    plan: RunPlan


def plan_adapters(recipe: Recipe, machines: Machines) -> list[PlannedAdapter]:
    """Plans a run that trains several adapters.

    Args:
        recipe: The run, with `adapters`.
        machines: The machines.

    Raises:
        ConfigError: As `plan_recipe`.
        DataError: If an adapter is for a language that the corpus doesn't have.
    """
    counts = _known_languages(recipe)
    plans: list[PlannedAdapter] = []
    for one in adapter_recipes(recipe, counts):
        codes = one.finetune.languages or ()
        if plans:  # what the first one has made
            one = replace(one, align=None, pretrain=None, projector=one.pretrain_folder)
        if recipe.data.mixture.per_language:
            rows = sum(int(counts[code]) for code in codes)
            one = replace(one, data=replace(one.data, expected_instructions=rows))
        plan = plan_recipe(one, machines)
        if plans:
            plan = replace(plan, encode=None)
        plans.append(PlannedAdapter(name=name_of(codes), recipe=one, plan=plan))
    return plans


def _known_languages(recipe: Recipe) -> dict[str, float]:
    """The languages of the corpus, or before it is built those that the recipe names."""
    try:
        return {code: float(count) for code, count in samples_by_language(recipe).items()}
    except DataError:
        if recipe.scenes is not None:
            return dict.fromkeys(recipe.scenes.languages or languages.codes(), 1.0)
        return _mixed(recipe)


def stages_of(recipe: Recipe) -> list[tuple[StageName, StageConfig]]:
    """Returns the stages that a recipe trains, without a shared one that another run has finished.

    Args:
        recipe: The run.
    """
    shared = recipe.pretrain_output
    left_out = "pretrain" if shared and is_finished(shared) else None
    return [(name, getattr(recipe, name)) for name in stage_names(recipe) if name != left_out]


def model_config(recipe: Recipe) -> PaloConfig:
    """Reads the parts' own configurations, or takes the scale's known ones without them.

    Args:
        recipe: The run.
    """
    parts = recipe.parts
    if not parts.missing():
        return from_folders(
            parts.tower, parts.language_model, parts.projector_type, parts.image_size
        )
    return SIZES[recipe.scale]()


def _facts(recipe: Recipe, name: StageName, stage: StageConfig, model: PaloConfig) -> DataFacts:
    data = recipe.data
    try:
        corpus = open_corpus(corpus_config(recipe, name).output)
    except DataError:
        if name == "align":
            assert recipe.parallel is not None
            wanted = recipe.parallel.expected_languages
            return assumed_pairs(
                wanted or languages.codes(),
                recipe.parallel.pivot,
                stage,
                recipe.parallel.expected_pairs,
            )
        captions = name == "pretrain"
        expected = data.expected_captions if captions else data.expected_instructions
        return assumed_facts(
            "captions" if captions else "conversations",
            {_USUAL_LANGUAGE: 1.0} if captions else _languages(recipe, stage),
            stage,
            num_records=expected,
            tokens_per_image=model.tokens_per_image,
            max_text_tokens=data.max_text_tokens,
            overflow=data.overflow,
            num_images=expected if captions else data.expected_images,
        )
    return facts_of(corpus, stage, model.tokens_per_image)


def _languages(recipe: Recipe, stage: StageConfig) -> dict[str, float]:
    """The languages of the conversations in their proportion, as far as the recipe says it."""
    counts = _mixed(recipe)
    if stage.languages is None:
        return counts
    return {code: counts.get(code, 1.0) for code in stage.languages}


def _mixed(recipe: Recipe) -> dict[str, float]:
    mixture = recipe.data.mixture
    if mixture.shares:
        return dict(mixture.shares)
    if mixture.per_language:
        wanted = mixture.languages or tuple(mixture.per_language)
        return {code: mixture.per_language[code] for code in wanted if code in mixture.per_language}
    return dict.fromkeys(mixture.languages or (recipe.data.language or _USUAL_LANGUAGE,), 1.0)


def _encoding(
    recipe: Recipe, shapes: ModelShapes, plans: Sequence[StagePlan], gpu: GpuKind | None
) -> EncodePlan | None:
    images = [one.facts.num_images for one in plans]
    if None in images:
        return None
    config = corpus_config(recipe, "finetune")
    return plan_encoding(
        shapes,
        plans[-1].counts,
        num_images=sum(count or 0 for count in images),
        store=config.store,
        encoders=config.encoders,
        gpu=gpu,
        num_gpus=max(one.stage.workers.count for one in plans),
    )


def _scaled(
    plans: Sequence[StagePlan],
    shapes: ModelShapes,
    settings: PlanSettings,
    encode: EncodePlan | None,
) -> Iterator[Scaled]:
    """Plans all stages on other numbers of GPUs, with the same batches."""
    encoding = encode.gpu_hours if encode else 0.0
    for count in _SCALES:
        again = []
        for one in plans:
            stage = replace(one.wanted, workers=replace(one.wanted.workers, count=count))
            again.append(plan_counted(one.name, shapes, one.counts, stage, one.facts, settings))
        hours = [one.hours for one in again if one.hours is not None]
        if len(hours) == len(again):
            steps = [(one.num_steps or 0, one.gather_s + (one.compute_s or 0)) for one in again]
            most = sum(number * seconds for number, seconds in steps) / 3600
            yield Scaled(gpus=count, hours=sum(hours), most_hours=most, encode_gpu_hours=encoding)


def _speed(
    recipe: Recipe, machines: Machines, model: PaloConfig, gpu: GpuKind | None
) -> Efficiency | None:
    if machines.measured is None:
        return PAPER if gpu else None
    folder, job = _measured_job(machines.measured)
    if job.recipe and job.recipe != recipe.scale:
        raise MismatchError(
            f"the measured run in {folder} trained another model",
            seen=f"{job.recipe}, not {recipe.scale}",
            fix="Measure a few steps of this recipe.",
        )
    counts = count_parameters(model, job.config)
    one = sample_operations(shapes_of(model), counts, job.config, 1.0, 0.0, through_tower=False)
    rate = gpu.bf16 if gpu else 1.0
    return measured_efficiency(job.metrics, one, job.config.workers.count, rate)


def _measured_job(folder: Path) -> tuple[Path, StageJob]:
    """Reads the settings of a measured stage, finished or not; of a run its finetune stage."""
    for place in (folder / "finetune", folder / "pretrain", folder / "align", folder):
        values: Any = None
        if (place / "lineage.json").is_file():
            values = storage.read_json(place / "lineage.json")["settings"]
        elif kept := trainable.every(place / "checkpoints"):
            values = trainable.read_cursor(kept[-1]).config
        if values is not None:
            return place, replace(from_dict(StageJob, values), output=place)
    raise DataError(
        "no measured run here",
        seen=folder,
        fix="Name a run that has written a checkpoint, with its metrics.jsonl.",
    )
