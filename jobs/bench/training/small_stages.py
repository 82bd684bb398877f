"""Trains and asks small models in this process, without Ray: for benches of what stages do."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from palo import config, storage
from palo.checkpoint.parts import ModelParts
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.benches.sources.scenes import read_questions
from palo.evaluate.generation import AnswerSettings, generate, load_for_answers
from palo.evaluate.measures import Measures, measure
from palo.pipeline import steps
from palo.pipeline.steps import StageName, stage_job
from palo.recipes import Recipe
from palo.session import ray_session
from palo.train.engine import PlainEngine
from palo.train.launch import compute_on_cpu
from palo.train.worker import train_stage


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SmallTraining:
    """How the stages of a bench are trained.

    Attributes:
        seed: Seed of everything that is trained.
        threads: Threads of the one process.
    """

    seed: int
    threads: int


def build_here(folder: Path, recipes: Sequence[Recipe]) -> None:
    """Draws the scenes of recipes and builds their corpora on a Ray of its own, once.

    Args:
        folder: Where it is noted that they are there.
        recipes: The recipes.
    """
    done = folder / "built.json"
    wanted = [config.to_dict(recipe) for recipe in recipes]
    if done.is_file() and storage.read_json(done) == wanted:
        return
    with ray_session():
        for recipe in recipes:
            steps.draw_scenes(recipe)
            steps.build_corpora(recipe)
    storage.write_json(done, wanted)


def train_here(
    recipe: Recipe,
    name: StageName,
    output: Path,
    how: SmallTraining,
    *,
    parts: ModelParts | None = None,
    projector: Path | None = None,
) -> None:
    """Trains a stage from its newest checkpoint to its end; a finished one is left as it is.

    Args:
        recipe: The run, whose corpora are there.
        name: The stage.
        output: Its folder.
        how: Seed and threads.
        parts: The pretrained parts; None for the recipe's own.
        projector: Finished stage whose projector is the start; None for a fresh one.
    """
    job = stage_job(recipe, name)
    workers = dataclasses.replace(job.config.workers, count=1, cpus=float(how.threads))
    compute_on_cpu(workers)
    stage = dataclasses.replace(job.config, seed=how.seed, workers=workers)
    job = dataclasses.replace(
        job, config=stage, parts=parts or recipe.parts, output=output, projector=projector
    )
    train_stage(job, PlainEngine)


def heldout_items(recipe: Recipe) -> list[BenchItem]:
    """Returns a recipe's held-out questions.

    Args:
        recipe: The run, whose scenes are there.
    """
    data = recipe.data
    assert data.questions is not None
    assert data.questions_images is not None
    return read_questions(recipe.source(data.questions), recipe.source(data.questions_images))


def measured_answers(recipe: Recipe, stage: Path) -> list[Measures]:
    """Asks a finished stage's model the recipe's held-out questions, and measures the answers.

    Args:
        recipe: The run.
        stage: The stage.
    """
    items = heldout_items(recipe)
    trained = load_for_answers(stage)
    decoding = AnswerSettings(max_new_tokens=recipe.data.max_answer_tokens)
    answers = [
        ModelAnswer(key=item.key, text=one.text, finish_reason=one.finish_reason)
        for item, one in zip(items, generate(trained, items, decoding), strict=True)
    ]
    return measure(items, answers)
