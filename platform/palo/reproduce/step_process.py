"""The process of one step: `python -m palo.reproduce.step_process ORDER`, a file of JSON.

Each step is what its job does: jobs/translate.py, jobs/build_corpus.py, jobs/align.py,
jobs/pretrain.py, jobs/finetune.py without its report, jobs/evaluate.py, jobs/export.py and
jobs/serve.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from palo import config, storage
from palo.command import run_job
from palo.pipeline.job import carry_out
from palo.pipeline.run_keeper import note_step, recorded_run
from palo.recipes.recipe import Recipe
from palo.reproduce.settings import ReproduceSettings, StepName

PROGRAM = "jobs/reproduce.py"
# The step of a job that was killed may still save its checkpoint.
_WAIT_S = 180.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StepOrder:
    """What a step's process is told.

    Attributes:
        step: The step.
        recipe: The run.
        settings: What is set beside it.
        serve: The script jobs/serve.py.
    """

    step: StepName
    recipe: Recipe
    settings: ReproduceSettings
    serve: Path


def main(arguments: list[str]) -> None:
    """Does a step.

    Args:
        arguments: The file with the order.
    """
    order = config.from_dict(StepOrder, storage.read_json(storage.path_of(arguments[0])))
    if order.step in _ON_RAY:
        run, check = _ON_RAY[order.step]
        carry_out(order.recipe, PROGRAM, run, check, wait_s=_WAIT_S)
        return
    run_folder = order.recipe.output
    with storage.alone_in(run_folder, wait_s=_WAIT_S), recorded_run(order.recipe, PROGRAM):
        note_step(run_folder, order.step)
        _ALONE[order.step](order)


def _corpus(recipe: Recipe) -> None:
    from palo.pipeline import steps

    steps.draw_scenes(recipe)
    steps.build_corpora(recipe)


def _stage(name: str, recipe: Recipe) -> None:
    from palo.pipeline import steps

    trained: Mapping[str, Callable[[Recipe], None]] = {
        "align": steps.align,
        "pretrain": steps.pretrain,
        "finetune": steps.finetune,
    }
    trained[name](recipe)


def _evaluate(recipe: Recipe) -> None:
    from palo.pipeline import scoring

    scoring.evaluate(recipe)


def _require_model(recipe: Recipe) -> None:
    from palo.checkpoint.finished import describe_stage, require_parts

    require_parts(describe_stage(recipe.finetune_folder))


def _translate(order: StepOrder) -> None:
    from palo.reproduce.translation import translate

    translate(order.recipe, order.settings.translate)


def _export(order: StepOrder) -> None:
    from palo.reproduce.exporting import export_model

    export_model(order.recipe, order.settings.export)


def _deploy(order: StepOrder) -> None:
    from palo.reproduce.deployment import deploy

    deploy(order.recipe, order.settings.deploy, order.serve)


# What each step runs, and what is looked at before Ray is started: None for what a training needs.
_ON_RAY: Mapping[StepName, tuple[Callable[[Recipe], None], Callable[[Recipe], None] | None]] = (
    MappingProxyType(
        {
            "corpus": (_corpus, None),
            "align": (partial(_stage, "align"), None),
            "pretrain": (partial(_stage, "pretrain"), None),
            "finetune": (partial(_stage, "finetune"), None),
            "evaluate": (_evaluate, _require_model),
        }
    )
)
# Those that need no Ray of their own.
_ALONE: Mapping[StepName, Callable[[StepOrder], None]] = MappingProxyType(
    {"translate": _translate, "export": _export, "deploy": _deploy}
)


if __name__ == "__main__":
    # Its caller has read the command line, --store included, which is in the environment.
    run_job(main)
