"""Reproduces a recipe, from translation to an answered question: seven steps, each done once.

    python jobs/reproduce.py nano                      all of it on two cores
    python jobs/reproduce.py 7b --dry-run              hours, GPUs, storage and money of each step
    python jobs/reproduce.py nano --from finetune      makes a step, and those behind it, again
    python jobs/reproduce.py nano --only evaluate      one step

The same command goes on where it was stopped or killed. Fields of the recipe are given as for
jobs/finetune.py; --translate.to, --export.to, --deploy.endpoint and others like them set the steps.
"""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from palo import command, config
from palo.errors import ConfigError
from palo.pipeline.job import lasting, read_recipe
from palo.recipes import Recipe
from palo.reproduce.settings import STEPS, ReproduceSettings, StepName

_PROGRAM = "jobs/reproduce.py"
_FROM, _ONLY, _KEEP = "--from", "--only", "--keep-serving"
_GROUPS = ("translate", "export", "deploy")
_SERVE = Path(__file__).resolve().parent / "serve.py"
_FLAGS = {
    f"{_FROM} STEP": f"makes this step and those behind it again: {', '.join(STEPS)}",
    f"{_ONLY} STEP": "runs this step alone",
    _KEEP: "serves the exported model in the end, until Ctrl-C",
}


def main(arguments: list[str]) -> None:
    """Runs the steps that aren't done, or says what they would take.

    Args:
        arguments: The command line.
    """
    left, chosen = command.take_values(arguments, [_FROM, _ONLY])
    keeps_serving = _KEEP in left
    left = [word for word in left if word != _KEEP]
    left, own = _apart(left)
    if {"-h", "--help"} & set(left) and left[0] not in ("-h", "--help"):
        _print_own_help()
    recipe, only_dry_run = read_recipe(left, _PROGRAM, _FLAGS)
    settings = command.override(ReproduceSettings(), own, _PROGRAM).used()
    config.check(settings)
    recipe = lasting(_apart_from_others(recipe, left))
    if only_dry_run:
        from palo.reproduce.costs import print_costs

        print_costs(recipe, settings)
        return
    from palo.reproduce.runner import Reproduction, StepSelection, reproduce

    selection = StepSelection(first=_step(chosen, _FROM), only=_step(chosen, _ONLY))
    again = shlex.join(["python", _PROGRAM, *left, *own])
    reproduce(
        Reproduction(recipe=recipe, settings=settings, serve=_SERVE, command=again), selection
    )
    if keeps_serving:
        _serve(recipe.output)


def _apart_from_others(recipe: Recipe, arguments: list[str]) -> Recipe:
    """Gives a run without a named folder one of its own: it may have learned from translations."""
    if any(word.partition("=")[0] == "--output" for word in arguments):
        return recipe
    return replace(recipe, output=recipe.output.with_name(f"{recipe.output.name}-reproduced"))


def _apart(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Splits a command line into the recipe's words and those of the steps' own settings."""
    recipe: list[str] = []
    own: list[str] = []
    current = recipe
    for word in arguments:
        if word.startswith("--"):
            current = own if word[2:].partition(".")[0] in _GROUPS else recipe
        current.append(word)
    return recipe, own


def _print_own_help() -> None:
    """Prints the flags of the steps' own settings, before those of the recipe."""
    try:
        command.override(ReproduceSettings(), ["--help"], _PROGRAM)
    except SystemExit:
        print()


def _step(chosen: dict[str, str], flag: str) -> StepName | None:
    if flag not in chosen:
        return None
    for name in STEPS:
        if chosen[flag] == name:
            return name
    raise ConfigError(
        f"{flag} names no step", seen=chosen[flag], fix=f"Use one of {', '.join(STEPS)}."
    )


def _serve(run: Path) -> None:
    """Becomes jobs/serve.py with the exported model."""
    folder = run / "exported" / run.name
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, str(_SERVE), str(folder)])  # noqa: S606 - our script


if __name__ == "__main__":
    command.run_job(main)
