"""The steps of a recipe: what each is made of, and what it leaves. Nothing is done here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from palo import config, storage
from palo.checkpoint.exporting.output_folder import STAMP
from palo.checkpoint.finished import is_finished
from palo.checkpoint.parts import weights_fingerprint
from palo.corpus.config import CorpusConfig
from palo.data.corpus_reader import open_corpus
from palo.pipeline.parallel_text import parallel_settings
from palo.pipeline.steps import StageName, corpus_config, stage_job, stage_names
from palo.recipes.recipe import Recipe
from palo.reproduce.answers import answers_file
from palo.reproduce.decisions import StepInputs
from palo.reproduce.record import StepRecord
from palo.reproduce.settings import STEPS, ReproduceSettings, StepName
from palo.reproduce.translation import record_hashes, why_left_out, with_translations
from palo.train.stage_identity import identity
from palo.train.tracking.flat_settings import flat_settings

# Where a corpus lies is no part of what it holds.
_PLACES = ("output", "image_stores")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproduceStep:
    """One step of a recipe.

    Attributes:
        name: Its name.
        left_out: Why there is nothing to do; empty if there is.
        inputs: Returns what it is made of, once the steps before it are done.
        outputs: Returns what it left, as hashes by name; nothing where it hasn't finished.
        folders: What is set aside before it is made anew. Other steps find out by themselves what
            of their folders is still right.
    """

    name: StepName
    left_out: str = ""
    inputs: Callable[[], StepInputs]
    outputs: Callable[[], dict[str, str]]
    folders: tuple[Path, ...] = ()


def planned(
    recipe: Recipe, settings: ReproduceSettings, translation: StepRecord
) -> tuple[Recipe, list[ReproduceStep]]:
    """Plans the steps of a recipe.

    Args:
        recipe: The run, as the command line has it.
        settings: What is set beside it.
        translation: What became of its translation so far.

    Returns:
        The recipe with the translations among its sources, if there are any, and its steps in their
        order.
    """
    untranslated = why_left_out(recipe, settings.translate, was_done=translation.state == "done")
    whole = recipe if untranslated else with_translations(recipe)
    reasons = _reasons(whole, settings) | {"translate": untranslated}
    inputs: dict[StepName, Callable[[], StepInputs]] = {
        "translate": partial(_translate_inputs, recipe, settings),
        "corpus": partial(_corpus_inputs, whole),
        "evaluate": partial(_evaluate_inputs, whole),
        "export": partial(_export_inputs, whole, settings),
        "deploy": partial(_deploy_inputs, whole, settings),
    }
    outputs: dict[StepName, Callable[[], dict[str, str]]] = {
        "translate": lambda: dict(record_hashes(recipe)),
        "corpus": partial(_corpus_outputs, whole),
        "evaluate": partial(_file_outputs, whole.output / "report.json"),
        "export": partial(_file_outputs, export_folder(whole) / STAMP),
        "deploy": partial(_file_outputs, answers_file(whole.output)),
    }
    folders: dict[StepName, tuple[Path, ...]] = {}
    for stage in stage_names(whole):
        inputs[stage] = partial(_stage_inputs, whole, stage)
        outputs[stage] = partial(_stage_outputs, whole, stage)
        folders[stage] = (stage_job(whole, stage).output,)
    steps = [
        ReproduceStep(
            name=name,
            left_out=reasons.get(name, ""),
            inputs=inputs.get(name, _nothing),
            outputs=outputs.get(name, dict),
            folders=folders.get(name, ()),
        )
        for name in STEPS
        if name != "align" or whole.align is not None
    ]
    return whole, steps


def _reasons(recipe: Recipe, settings: ReproduceSettings) -> dict[StepName, str]:
    """Why steps are left out, by step; empty texts for those that aren't."""
    data, deploy = recipe.data, settings.deploy
    has_held_out = data.questions is not None or data.photos is not None
    score = f"python jobs/evaluate.py llava-wild FOLDER --models mine={recipe.output}"
    ask = "--deploy.image FILE --deploy.question TEXT"
    return {
        "pretrain": "" if recipe.pretrain else f"the projector of {recipe.projector} is the start",
        "evaluate": "" if has_held_out else f"the recipe names no held-out data; {score}",
        "deploy": ""
        if has_held_out or deploy.image is not None
        else f"the recipe has no held-out question to ask: give {ask}",
    }


def export_folder(recipe: Recipe) -> Path:
    """Returns the folder of a run's export; its name is the model's.

    Args:
        recipe: The run.
    """
    return recipe.output / "exported" / recipe.output.name


def _nothing() -> StepInputs:
    return StepInputs(hashes={}, settings={})


def _inputs(settings: Mapping[str, Any], **hashes: str) -> StepInputs:
    return StepInputs(
        hashes={"settings": config.fingerprint(settings), **hashes},
        settings=flat_settings(settings),
    )


def _translate_inputs(recipe: Recipe, settings: ReproduceSettings) -> StepInputs:
    values = config.to_dict(settings.translate)
    values["translator"] = config.to_dict(settings.translate.translator.used())
    source = settings.translate.source
    return _inputs(values, source=_stamp(source) if source else _scenes(recipe))


def _corpus_inputs(recipe: Recipe) -> StepInputs:
    settings: dict[str, Any] = {}
    stamps: dict[str, str] = {}
    for stage in stage_names(recipe):
        corpus = corpus_config(recipe, stage)
        settings[stage] = _without_places(corpus, recipe.output)
        if stage == "align":
            settings["parallel"] = config.to_dict(parallel_settings(recipe))
        for source in corpus.sources:
            if not storage.lies_within(source.path, recipe.output):
                stamps[f"source {source.name}"] = _stamp(source.path)
    translations = {f"translations {name}": found for name, found in record_hashes(recipe)}
    if recipe.data.more_instructions is None:
        translations = {}
    return _inputs(
        settings,
        **{"image tower": weights_fingerprint(recipe.parts.tower), "scenes": _scenes(recipe)},
        **stamps,
        **translations,
    )


def _without_places(corpus: CorpusConfig, run: Path) -> dict[str, Any]:
    values: dict[str, Any] = config.to_dict(corpus)
    for name in _PLACES:
        del values[name]
    for source in values["sources"]:
        for name in ("path", "images"):
            source[name] = str(source[name]).replace(str(run), "the run")
    return values


def _scenes(recipe: Recipe) -> str:
    return "" if recipe.scenes is None else config.fingerprint(recipe.scenes)


def _stamp(path: Path) -> str:
    """Names the state of a source without reading it; a build then compares contents."""
    with storage.wrap_os_errors("read", path):
        if path.is_dir():
            sizes = {str(name): size for name, size in storage.tree_sizes(path).items()}
            return config.fingerprint(sizes)
        found = path.stat()
    return config.fingerprint([found.st_size, found.st_mtime_ns])


def _corpus_outputs(recipe: Recipe) -> dict[str, str]:
    folders = {stage: corpus_config(recipe, stage).output for stage in stage_names(recipe)}
    if not all((folder / "manifest.json").is_file() for folder in folders.values()):
        return {}
    return {stage: open_corpus(folder).manifest.fingerprint for stage, folder in folders.items()}


def _stage_inputs(recipe: Recipe, stage: StageName) -> StepInputs:
    job = stage_job(recipe, stage)
    return StepInputs(hashes=identity(job), settings=flat_settings(config.to_dict(job.config)))


def _stage_outputs(recipe: Recipe, stage: StageName) -> dict[str, str]:
    folder = stage_job(recipe, stage).output
    if not is_finished(folder):
        return {}
    if stage == "align" and not recipe.image_parts.language_model.is_dir():
        return {}  # it is trained, but not merged yet
    weights: dict[str, str] = storage.read_json(folder / "lineage.json")["weights"]
    return weights


def _evaluate_inputs(recipe: Recipe) -> StepInputs:
    data = recipe.data
    asked = data.questions or data.photos
    assert asked is not None
    settings = {"max_answer_tokens": data.max_answer_tokens, "seed": recipe.finetune.seed}
    held_out = recipe.source(asked)
    stamp = _scenes(recipe) if storage.lies_within(held_out, recipe.output) else _stamp(held_out)
    return _inputs(settings, model=_model(recipe), questions=stamp)


def _export_inputs(recipe: Recipe, settings: ReproduceSettings) -> StepInputs:
    return _inputs(config.to_dict(settings.export), model=_model(recipe))


def _deploy_inputs(recipe: Recipe, settings: ReproduceSettings) -> StepInputs:
    deploy = settings.deploy
    # Neither a port nor patience is part of an answer.
    asked = {
        "endpoint": deploy.endpoint,
        "languages": list(deploy.languages),
        "image": None if deploy.image is None else str(deploy.image),
        "question": deploy.question,
    }
    exported = _file_outputs(export_folder(recipe) / STAMP)
    return _inputs(asked, model=_model(recipe), export=config.fingerprint(exported))


def _model(recipe: Recipe) -> str:
    return config.fingerprint(_stage_outputs(recipe, "finetune"))


def _file_outputs(path: Path) -> dict[str, str]:
    return {path.name: storage.file_hash(path)} if path.is_file() else {}
