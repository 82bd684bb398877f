"""Trains and asks the models of the bench, each stage once for all that share it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fidelity_parts.settings import Arm, FidelityBench, arms_of, recipe_of
from resuming import Kept, say
from training.outcomes import Answered, outcome
from training.small_stages import SmallTraining, build_here, measured_answers, train_here

from palo.checkpoint.finished import read_stage
from palo.checkpoint.merged_language_model import merged_language_model
from palo.checkpoint.parts import ModelParts
from palo.pipeline.steps import StageName
from palo.recipes import Recipe
from palo.train.stage_files import StageFiles
from palo.train.stage_state import read_state


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRun:
    """A stage that was trained.

    Attributes:
        num_steps: Its optimizer steps.
    """

    num_steps: int


Answers = dict[tuple[str, int], list[Answered]]
"""Outcomes by model and seed."""


def all_answers(settings: FidelityBench, kept: Kept) -> Answers:
    """Builds, trains and asks what isn't there yet.

    Args:
        settings: The bench's.
        kept: What earlier calls have measured.

    Raises:
        TimeOverError: If the time of this call is over.
    """
    arms = arms_of(settings)
    recipes = {arm.name: recipe_of(settings, arm) for arm in arms}
    kept.require_time("corpora")
    build_here(settings.cache, list(recipes.values()))
    found: Answers = {}
    for seed in settings.seeds:
        runs = _SeedRuns(settings, kept, seed)
        for arm in arms:
            found[arm.name, seed] = runs.tuned(arm, recipes[arm.name])
    return found


class _SeedRuns:
    """The models of one seed."""

    def __init__(self, settings: FidelityBench, kept: Kept, seed: int) -> None:
        self._how = SmallTraining(seed=seed, threads=settings.threads)
        self._kept = kept
        self._seed = seed
        self._folder = kept.folder(f"seed{seed}")

    def tuned(self, arm: Arm, recipe: Recipe) -> list[Answered]:
        """Returns the answers of an arm's model."""
        parts, prefix = recipe.parts, ""
        if arm.aligned:
            folder = self._stage(recipe, "align", "align", parts)
            language_model = merged_language_model(read_stage(folder))
            parts, prefix = dataclasses.replace(parts, language_model=language_model), "aligned_"
        pretrained = self._stage(recipe, "pretrain", f"{prefix}pretrain", parts)
        stage = self._stage(recipe, "finetune", f"{prefix}{arm.name}", parts, pretrained)
        return self._asked(arm.name, recipe, stage)

    def _stage(
        self,
        recipe: Recipe,
        kind: StageName,
        name: str,
        parts: ModelParts,
        projector: Path | None = None,
    ) -> Path:
        """Trains a stage, if no call has finished it, and returns its folder."""
        folder = self._folder / name

        def train() -> Iterator[StageRun]:
            say(f"seed {self._seed}: training {name}")
            train_here(recipe, kind, folder, self._how, parts=parts, projector=projector)
            yield StageRun(num_steps=len(read_state(StageFiles(folder)).metrics))

        self._kept.result(f"seed{self._seed}-stage-{name}", StageRun, lambda: list(train()))
        return folder

    def _asked(self, name: str, recipe: Recipe, stage: Path) -> list[Answered]:
        def ask() -> list[Answered]:
            say(f"seed {self._seed}: asking {name}")
            return list(map(outcome, measured_answers(recipe, stage)))

        return self._kept.result(f"seed{self._seed}-answers-{name}", Answered, ask)
