"""From a command line to the steps of a recipe."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from palo import storage
from palo.command import parse_recipe, take_values
from palo.errors import ConfigError, DataError
from palo.model.backbone_folder import read_backbone
from palo.pipeline.run_keeper import recorded_run
from palo.pipeline.starts import require_aligned, with_aligned, with_start
from palo.recipes import RECIPES, Recipe
from palo.recipes.alignment import with_parallel
from palo.recipes.own_data import OwnData, take_own_data, with_own_data
from palo.session import ray_session
from palo.store import found_path, input_path, lasting_path, store_root

_START, _PROJECTOR, _STAGE = "--start-from", "--projector", "--pretrain"
_PARALLEL, _ALIGNED = "--parallel", "--aligned"
_PARTS = ("tower", "language_model", "tokenizer")
_SOURCES = (
    "captions",
    "captions_images",
    "instructions",
    "instructions_images",
    "more_instructions",
    "questions",
    "questions_images",
    "photos",
    "photos_images",
)
_SHORTCUTS = {
    "--data FILE": "trains the finetune stage on conversations or captions of your own",
    "--images FOLDER": "their images, if they aren't beside the file",
    f"{_START} PATH": "a run, a finished stage or a released projector in place of a pretrain "
    "stage; of a run its pretrain stage",
    f"{_PARALLEL} FILE": "aligns the language model on parallel text of your own first",
    f"{_ALIGNED} PATH": "a run or a finished align stage whose language model is the start",
}
_CHANGES: Mapping[str, Callable[[Recipe, Path], Recipe]] = MappingProxyType(
    {
        _START: with_start,
        _PROJECTOR: with_start,
        _PARALLEL: with_parallel,
        _ALIGNED: with_aligned,
    }
)


def recipe_job(
    program: str, run: Callable[[Recipe], None], check: Callable[[Recipe], None] | None = None
) -> Callable[[list[str]], None]:
    """Returns a job that reads `RECIPE [--field value ...] [--dry-run]` and runs on Ray.

    The run folder is the job's own while it runs.

    `--data FILE --images FOLDER` trains the finetune stage on data of one's own; `--start-from
    PATH` starts it from the projector there, in place of a pretrain stage. Parts that libraries
    don't read are imported.

    Args:
        program: The script, as people call it.
        run: Runs the recipe. It imports heavy modules itself, so that a wrong command line is
            reported at once.
        check: Looks at what the run needs, before Ray is started; by default at the parts and
            sources of a training.
    """

    def main(arguments: list[str]) -> None:
        recipe, only_dry_run = read_recipe(arguments, program)
        if only_dry_run:
            from palo.pipeline.dry_run import dry_run

            dry_run(recipe)
            return
        carry_out(recipe, program, run, check)

    return main


def carry_out(
    recipe: Recipe,
    program: str,
    run: Callable[[Recipe], None],
    check: Callable[[Recipe], None] | None = None,
    *,
    wait_s: float = 0.0,
) -> None:
    """Runs a recipe, or a part of it, on Ray; the run folder is its own meanwhile.

    Args:
        recipe: The run.
        program: The script, as people call it.
        run: Runs it.
        check: Looks at what it needs, before Ray is started; by default at the parts and sources
            of a training.
        wait_s: How long another job in the run folder is waited for, in seconds.
    """
    recipe = lasting(recipe)
    (check or _check_training)(recipe)
    recipe = imported(recipe)
    with storage.alone_in(recipe.output, wait_s=wait_s):
        print(f"run folder  {recipe.output}\nstarting Ray", flush=True)
        with recorded_run(recipe, program), ray_session(shared=_shared(recipe)):
            run(recipe)


def read_recipe(
    arguments: list[str], program: str, shortcuts: Mapping[str, str] = MappingProxyType({})
) -> tuple[Recipe, bool]:
    """Reads `RECIPE [--field value ...] [--dry-run]` with the shortcuts of `recipe_job`.

    Args:
        arguments: The command line.
        program: The script, as people call it.
        shortcuts: Further flags that the caller has taken already, for the help text.

    Returns:
        The recipe, and whether only a dry run is wanted.

    Raises:
        ConfigError: If the recipe is unknown, a field is wrong, or values contradict.
    """
    arguments, own = take_own_data(arguments)
    arguments, taken = take_values(arguments, [_START, _PROJECTOR, _PARALLEL, _ALIGNED])
    if len(taken.keys() & {_PARALLEL, _ALIGNED}) == 2:
        raise ConfigError(
            f"{_PARALLEL} and {_ALIGNED} are two ways to an aligned language model",
            seen=" ".join(taken.values()),
            fix="Give the text to align on, or what was aligned before.",
        )
    if _STAGE in arguments:
        raise ConfigError(
            f"{_STAGE} alone is no setting",
            seen=" ".join(arguments[arguments.index(_STAGE) :][:2]),
            fix=f"To leave the pretrain stage out, say what to start from: {_START} PATH.",
        )
    recipes: Mapping[str, Callable[[], Recipe]] = {
        name: partial(_in_store, make) for name, make in RECIPES.items()
    }
    for flag, change in _CHANGES.items():
        if flag in taken:
            place = storage.path_of(taken[flag])
            if store_root() is not None:
                place = found_path(place)
            recipes = {
                name: partial(_changed, make, change, place) for name, make in recipes.items()
            }
    if own is not None:
        recipes = {name: partial(_own, make, own) for name, make in recipes.items()}
    recipe, only_dry_run = parse_recipe(arguments, recipes, program, {**shortcuts, **_SHORTCUTS})
    return (recipe if store_root() is None else lasting(recipe)), only_dry_run


def lasting(recipe: Recipe) -> Recipe:
    """Returns a recipe whose run writes, and shares, where that lasts.

    Args:
        recipe: The recipe.
    """
    return replace(
        recipe,
        output=lasting_path(recipe.output),
        corpora=_lasting_if_named(recipe.corpora),
        pretrain_output=_lasting_if_named(recipe.pretrain_output),
        data=replace(recipe.data, image_stores=_lasting_if_named(recipe.data.image_stores)),
    )


def _lasting_if_named(path: Path | None) -> Path | None:
    return None if path is None else lasting_path(path)


def _shared(recipe: Recipe) -> list[Path]:
    """Returns the folders that all machines must see."""
    beside = (recipe.corpora, recipe.data.image_stores, recipe.pretrain_output)
    return [recipe.output, *(path for path in beside if path is not None)]


def _in_store(make: Callable[[], Recipe]) -> Recipe:
    """Has a recipe's weights and source files come from the store, if one is set."""
    recipe = make()
    if store_root() is None:
        return recipe
    parts: dict[str, Any] = {name: input_path(getattr(recipe.parts, name)) for name in _PARTS}
    named = {
        name: path
        for name in _SOURCES
        if (path := getattr(recipe.data, name)) is not None and recipe.source(path) == path
    }
    sources: dict[str, Any] = {name: input_path(path) for name, path in named.items()}
    return replace(
        recipe, parts=replace(recipe.parts, **parts), data=replace(recipe.data, **sources)
    )


def _check_training(recipe: Recipe) -> None:
    require_aligned(recipe)
    recipe.parts.require()
    if recipe.projector is not None and not recipe.projector.exists():
        raise DataError(
            "there is no stage or projector to start from",
            seen=recipe.projector,
            fix=f"Name another one with {_START}, or train the pretrain stage first.",
        )
    from palo.pipeline.source_checks import check_sources
    from palo.train.tracking.tracker import require_trackers

    for stage in filter(None, (recipe.align, recipe.pretrain, recipe.finetune)):
        require_trackers(stage.metrics)
    check_sources(recipe)


def imported(recipe: Recipe) -> Recipe:
    """Returns a recipe whose parts and projector are in a form that libraries read.

    Args:
        recipe: The recipe; what isn't in such a form is imported.

    Raises:
        MismatchError: If the language model is of no architecture that is known here.
        PaloError: What imports raise.
    """
    from palo.checkpoint.importing import open_parts, open_projector

    projector, parts = recipe.projector, open_parts(recipe.parts)
    if (parts.language_model / "config.json").is_file():
        read_backbone(parts.language_model)
    return replace(
        recipe,
        parts=parts,
        projector=open_projector(projector) if projector and projector.exists() else projector,
    )


def _changed(
    make: Callable[[], Recipe], change: Callable[[Recipe, Path], Recipe], place: Path
) -> Recipe:
    return change(make(), place)


def _own(make: Callable[[], Recipe], own: OwnData) -> Recipe:
    return with_own_data(make(), own)
