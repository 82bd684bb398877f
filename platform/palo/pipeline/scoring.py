"""The last step of a run: its figures on held-out data, as a table, a report and an image."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.errors import ConfigError
from palo.evaluate.answer_job import answer_questions
from palo.evaluate.answering import AnswerSettings
from palo.evaluate.caption_loss import caption_loss
from palo.evaluate.exact_match import accuracy
from palo.evaluate.image_features import preprocessing_of
from palo.evaluate.photo_captions import QUESTION
from palo.evaluate.photo_report import caption_loss_table, plot_caption_loss
from palo.evaluate.photos import read_photos
from palo.evaluate.plots import plot_report
from palo.evaluate.questions import read_questions
from palo.evaluate.report import PACKAGES, RunFacts, report_values, write_answers, write_report
from palo.evaluate.table import accuracy_table
from palo.machine import hardware, versions
from palo.model.assemble import assemble
from palo.pipeline.steps import measured, read_timings
from palo.recipes.recipe import Recipe


def evaluate(recipe: Recipe) -> None:
    """Scores the finished model on the recipe's held-out data, and writes the run's report.

    Raises:
        ConfigError: If the recipe names no held-out data.
        DataError: If the model is not finished.
    """
    read_stage(recipe.finetune_folder)
    report = recipe.output / "report.json"
    if recipe.data.questions is not None:
        write_report(report, _score_questions(recipe))
    elif recipe.data.photos is not None:
        write_report(report, _score_photos(recipe))
    else:
        raise ConfigError(
            "the recipe names no held-out data",
            fix="Give --data.questions or --data.photos.",
        )
    print(f"\nReport: {report} and {report.with_suffix('.png')}")
    if recipe.data.questions is not None:
        print(f"Answers: {_answers(recipe)}")
    print(f"Chat:   python jobs/chat.py {recipe.output}", flush=True)


def evaluate_if_possible(recipe: Recipe) -> None:
    """Scores the model, or says that the recipe has no held-out data."""
    if recipe.data.questions is None and recipe.data.photos is None:
        print("evaluate  left out: the recipe names no held-out data")
        return
    evaluate(recipe)


def _score_questions(recipe: Recipe) -> dict[str, Any]:
    data = recipe.data
    assert data.questions is not None
    assert data.questions_images is not None
    questions = read_questions(recipe.source(data.questions), recipe.source(data.questions_images))
    longest = data.max_answer_tokens
    variants = {
        "with image": AnswerSettings(max_new_tokens=longest),
        "without image": AnswerSettings(max_new_tokens=longest, withhold_image=True),
    }
    with measured(recipe, "evaluate"):
        answers = answer_questions(
            recipe.finetune_folder, questions, variants, num_workers=recipe.finetune.workers.count
        )
    write_answers(_answers(recipe), questions, answers)
    seed = recipe.finetune.seed
    sighted = accuracy(questions, answers["with image"], seed=seed)
    blind = accuracy(questions, answers["without image"], seed=seed)
    print("\n" + accuracy_table(sighted, blind))
    plot_report(recipe.output / "report.png", sighted, blind, _metrics(recipe))
    return report_values(sighted, blind, _facts(recipe))


def _score_photos(recipe: Recipe) -> dict[str, Any]:
    data, parts, seed = recipe.data, recipe.parts, recipe.finetune.seed
    assert data.photos is not None
    assert data.photos_images is not None
    photos = read_photos(data.photos, data.photos_images)
    with measured(recipe, "evaluate"):
        trained = load_trained(recipe.finetune_folder)
        untrained = assemble(
            parts.tower,
            parts.language,
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
    facts = _facts(recipe)
    return {
        "caption_loss": {state: asdict(loss) for state, loss in losses.items()},
        "seeds": dict(facts.seeds),
        "wall_s": dict(facts.wall_s),
        "peak_memory_gib": facts.peak_memory_gib,
        "hardware": hardware(),
        "versions": versions(PACKAGES),
    }


def _answers(recipe: Recipe) -> Path:
    return recipe.output / "answers.jsonl"


def _metrics(recipe: Recipe) -> dict[str, Path]:
    folders = {"pretrain": recipe.pretrain_folder, "finetune": recipe.finetune_folder}
    paths = {name: folder / "metrics.jsonl" for name, folder in folders.items()}
    return {name: path for name, path in paths.items() if path.is_file()}


def _facts(recipe: Recipe) -> RunFacts:
    timings = read_timings(recipe)
    seeds = {"finetune": recipe.finetune.seed}
    if recipe.pretrain is not None:
        seeds["pretrain"] = recipe.pretrain.seed
    if recipe.scenes is not None:
        seeds["scenes"] = recipe.scenes.seed
    return RunFacts(
        seeds=seeds,
        wall_s={step: values["wall_s"] for step, values in timings.items()},
        peak_memory_gib=max(values["peak_memory_gib"] for values in timings.values()),
    )
