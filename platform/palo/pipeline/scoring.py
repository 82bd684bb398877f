"""The last step of a run: its held-out questions as a bench, reported as table, JSON and figure.

The questions are the bench `scenes`, answered with and without the image and scored by the code of
all benches. Recipes with held-out photos instead report the loss of their captions.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from palo import storage
from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.errors import ConfigError
from palo.evaluate.answers.answer_cache import AnswerSet
from palo.evaluate.answers.from_checkpoint import CheckpointAnswers, answer_from_checkpoint
from palo.evaluate.benches.bench import Bench, bench_of
from palo.evaluate.benches.sources.scenes import heldout_bench
from palo.evaluate.caption_loss import caption_loss, caption_loss_table, read_photos
from palo.evaluate.generation import AnswerSettings, preprocessing_of
from palo.evaluate.leaderboard import model_result
from palo.evaluate.reports.run_figure import plot_caption_loss, plot_report
from palo.evaluate.reports.run_report import (
    RunFacts,
    accuracy_table,
    fact_values,
    kind_table,
    report_values,
    write_answers,
)
from palo.model.assemble import assemble
from palo.pipeline.adapters import trained_adapters
from palo.pipeline.timings import measured, read_timings
from palo.recipes.photo_sources import QUESTION
from palo.recipes.recipe import Recipe

_WITH, _WITHOUT = "with image", "without image"


def evaluate(recipe: Recipe) -> None:
    """Scores the finished model on the recipe's held-out data, and writes the run's report.

    Args:
        recipe: The run. Ray must be running.

    Raises:
        ConfigError: If the recipe names no held-out data.
        DataError: If the model is not finished.
    """
    for one in _models(recipe):
        read_stage(one.finetune_folder)
    report = recipe.output / "report.json"
    if recipe.data.questions is not None:
        storage.write_json(report, _score_questions(recipe))
    elif recipe.data.photos is not None:
        storage.write_json(report, _score_photos(recipe))
    else:
        raise ConfigError(
            "the recipe names no held-out data",
            fix="Give --data.questions or --data.photos.",
        )
    print(f"\nReport: {report} and {report.with_suffix('.png')}")
    if recipe.data.questions is not None:
        print(f"Answers: {_answers(recipe)}")
    print(f"Chat:   python jobs/chat.py {_models(recipe)[0].finetune_folder.parent}", flush=True)


def _models(recipe: Recipe) -> list[Recipe]:
    """The run, or a recipe for each of its adapters."""
    return trained_adapters(recipe) if recipe.adapters else [recipe]


def evaluate_if_possible(recipe: Recipe) -> None:
    """Scores the model, or prints that the recipe has no held-out data.

    Args:
        recipe: The run. Ray must be running.
    """
    if recipe.data.questions is None and (recipe.data.photos is None or recipe.adapters):
        photos = "held-out photos are for one model, not for adapters"
        lacks = photos if recipe.data.photos else "the recipe names no held-out data"
        print(f"evaluate  left out: {lacks}")
        print(f"Chat:   python jobs/chat.py {_models(recipe)[0].finetune_folder.parent}")
        return
    evaluate(recipe)


def _score_questions(recipe: Recipe) -> dict[str, Any]:
    data, seed = recipe.data, recipe.finetune.seed
    assert data.questions is not None
    assert data.questions_images is not None
    bench = heldout_bench(recipe.source(data.questions), recipe.source(data.questions_images))
    models = _models(recipe)
    bench = _in_languages(bench, models) or bench
    print(
        f"evaluate  starting {recipe.finetune.workers.count} workers for {len(bench.items):,} "
        "questions, asked with and without the image",
        flush=True,
    )
    # Answers of an earlier evaluation are not reused: it may have been made by other code.
    with measured(recipe, "evaluate"), tempfile.TemporaryDirectory() as cache:
        answer_sets = _answered(bench, models, Path(cache))
    results = [model_result(bench, answers, seed=seed) for answers in answer_sets.values()]
    write_answers(_answers(recipe), bench, results)
    sighted, blind = (result.accuracy for result in results)
    assert sighted is not None
    summaries = results[0].summaries
    shares = {code: one.fidelity for code, one in summaries.items() if one.fidelity is not None}
    print(f"\n{accuracy_table(sighted, blind, shares)}\n\n{kind_table(sighted)}")
    plot_report(recipe.output / "report.png", sighted, blind, _metrics(recipe))
    return report_values(sighted, blind, _facts(recipe), shares)


def _answered(bench: Bench, models: list[Recipe], cache: Path) -> Mapping[str, AnswerSet]:
    """Has each model answer the questions in its languages; together it is one set of answers."""
    parts: dict[str, list[AnswerSet]] = {}
    for number, recipe in enumerate(models):
        part = _in_languages(bench, [recipe])
        if part is None:
            continue
        longest = recipe.data.max_answer_tokens
        settings = CheckpointAnswers(
            stage=recipe.finetune_folder,
            variants={
                _WITH: AnswerSettings(max_new_tokens=longest),
                _WITHOUT: AnswerSettings(max_new_tokens=longest, withhold_image=True),
            },
            num_workers=recipe.finetune.workers.count,
        )
        for name, found in answer_from_checkpoint(part, settings, cache / str(number)).items():
            parts.setdefault(name, []).append(found)
    return {name: _joined(name, found) for name, found in parts.items()}


def _in_languages(bench: Bench, models: list[Recipe]) -> Bench | None:
    """The questions that adapters are for; all of them where a model isn't one of several."""
    if any(one.finetune_output is None for one in models):
        return bench
    codes = {code for one in models for code in one.finetune.languages or ()}
    items = [item for item in bench.items if item.language in codes]
    return bench_of(bench.source, items) if items else None


def _joined(name: str, parts: list[AnswerSet]) -> AnswerSet:
    first, *others = parts
    for one in others:
        first = AnswerSet(
            name=name,
            answers={**first.answers, **one.answers},
            unanswered={**first.unanswered, **one.unanswered},
            num_cached=first.num_cached + one.num_cached,
            num_asked=first.num_asked + one.num_asked,
            examples={**one.examples, **first.examples},
        )
    return first


def _score_photos(recipe: Recipe) -> dict[str, Any]:
    data, parts, seed = recipe.data, recipe.parts, recipe.finetune.seed
    assert data.photos is not None
    assert data.photos_images is not None
    photos = read_photos(data.photos, data.photos_images)
    with measured(recipe, "evaluate"):
        trained = load_trained(recipe.finetune_folder)
        untrained = assemble(
            parts.tower,
            parts.language_model,
            parts.projector_type,
            image_size=parts.image_size,
            seed=seed,
        )
        losses = {
            state: caption_loss(
                model,
                trained.tokenizer,
                trained.template,
                preprocessing_of(trained),
                photos,
                question=QUESTION,
                seed=seed,
            )
            for state, model in (("before", untrained), ("after", trained.model))
        }
    print("\n" + caption_loss_table(losses))
    plot_caption_loss(recipe.output / "report.png", losses, _metrics(recipe))
    values = {state: asdict(loss) for state, loss in losses.items()}
    return {"caption_loss": values, **fact_values(_facts(recipe))}


def _answers(recipe: Recipe) -> Path:
    return recipe.output / "answers.jsonl"


def _metrics(recipe: Recipe) -> dict[str, Path]:
    folders = {"align": recipe.align_folder, "pretrain": recipe.pretrain_folder}
    if not recipe.adapters:  # ten curves would be no figure
        folders["finetune"] = recipe.finetune_folder
    paths = {name: folder / "metrics.jsonl" for name, folder in folders.items()}
    return {name: path for name, path in paths.items() if path.is_file()}


def _facts(recipe: Recipe) -> RunFacts:
    timings = read_timings(recipe)
    seeds = {"finetune": recipe.finetune.seed}
    if recipe.pretrain is not None:
        seeds["pretrain"] = recipe.pretrain.seed
    if recipe.align is not None:
        seeds["align"] = recipe.align.seed
    if recipe.scenes is not None:
        seeds["scenes"] = recipe.scenes.seed
    return RunFacts(
        seeds=seeds,
        wall_s={step: values["wall_s"] for step, values in timings.items()},
        peak_memory_gib=max(values["peak_memory_gib"] for values in timings.values()),
    )
