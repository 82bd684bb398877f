"""One adapter for each language, or group of languages, on one frozen base and one projector.

Corpora, image store and pretrain stage are made once. Then one finetune stage after the other
trains an adapter on the samples of its languages, while the projector stays as the pretrain stage
left it: every adapter goes with the same projector and base. Each is a stage of its own in
`adapters/NAME/finetune`, with its own checkpoints, metrics and lineage, and what takes a run takes
`adapters/NAME`.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from palo import storage
from palo.data.corpus_reader import open_corpus
from palo.errors import DataError
from palo.pipeline import steps
from palo.recipes.recipe import EACH, Recipe
from palo.train.stage_files import StageFiles
from palo.train.stage_state import read_state

_HEADINGS = ("adapter", "samples", "steps", "loss", "held-out loss", "folder")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedAdapter:
    """An adapter that was trained.

    Attributes:
        name: Its name.
        languages: ISO 639-1 codes of what it was trained on.
        folder: Its run folder.
        num_samples: Samples of the corpus in these languages, held-out ones included.
        num_steps: Steps of its training.
        loss: Loss over its latest steps, in nats.
        held_out_loss: Mean of its languages' losses on held-out rows at the end; None without.
    """

    name: str
    languages: tuple[str, ...]
    folder: Path
    num_samples: int
    num_steps: int
    loss: float
    held_out_loss: float | None


def finetune_adapters(recipe: Recipe) -> None:
    """Trains the adapters of a recipe, those that are finished left out, and prints a table.

    Args:
        recipe: The run, whose corpora and pretrain stage are there. Ray must be running.

    Raises:
        DataError: If the corpus has no sample in a language that an adapter is for.
    """
    counts = samples_by_language(recipe)
    made = adapter_recipes(recipe, counts)
    trained = []
    for number, one in enumerate(made, 1):
        codes = one.finetune.languages or ()
        print(f"\nadapter {name_of(codes)} ({number} of {len(made)})", flush=True)
        steps.finetune(one)
        trained.append(_trained(one, sum(counts[code] for code in codes)))
    storage.write_json(recipe.output / "adapters.json", [_values(one) for one in trained])
    print("\n" + adapters_table(trained))
    print(f"Serve them on one base:  python jobs/serve.py {recipe.output / 'adapters'}/*")


def adapter_recipes(recipe: Recipe, known: Collection[str]) -> list[Recipe]:
    """Returns a recipe for each adapter, which shares everything but its finetune stage.

    Args:
        recipe: The run, with `adapters`.
        known: Languages of its corpus, in their order.

    Raises:
        DataError: If an adapter is for a language that the corpus doesn't have.
    """
    groups = [(code,) for code in known] if recipe.adapters == (EACH,) else recipe.adapter_groups
    missing = [code for codes in groups for code in codes if code not in known]
    if missing:
        raise DataError(
            f"the corpus has no sample in {', '.join(missing)}",
            seen=", ".join(known),
            fix="Name other languages with --adapters, or build a corpus that has them.",
        )
    return [_adapter_recipe(recipe, codes) for codes in groups]


def _adapter_recipe(recipe: Recipe, codes: tuple[str, ...]) -> Recipe:
    finetune = replace(recipe.finetune, languages=codes, train_projector=False)
    return replace(
        recipe,
        adapters=(),
        finetune=finetune,
        finetune_output=adapter_folder(recipe, codes) / "finetune",
    )


def adapter_folder(recipe: Recipe, codes: Sequence[str]) -> Path:
    """Returns the run folder of an adapter.

    Args:
        recipe: The run that it belongs to.
        codes: Its languages.
    """
    return recipe.output / "adapters" / name_of(codes)


def name_of(codes: Sequence[str]) -> str:
    """Returns the name of an adapter, such as hi-ur.

    Args:
        codes: Its languages.
    """
    return "-".join(codes)


def trained_adapters(recipe: Recipe) -> list[Recipe]:
    """Returns a recipe for each adapter of a run whose corpora are there.

    Args:
        recipe: The run, with `adapters`.

    Raises:
        DataError: If the corpus isn't there, or lacks a language.
    """
    return adapter_recipes(recipe, samples_by_language(recipe))


def samples_by_language(recipe: Recipe) -> dict[str, int]:
    """Returns the samples of the finetune stage's corpus by language, those that it has.

    Args:
        recipe: The run.

    Raises:
        DataError: If the corpus isn't there.
    """
    corpus = open_corpus(steps.corpus_config(recipe, "finetune").output)
    found = {one.language: one.num_samples for one in corpus.manifest.languages}
    return {code: count for code, count in found.items() if count}


def _trained(recipe: Recipe, num_samples: int) -> TrainedAdapter:
    folder = recipe.finetune_folder
    state = read_state(StageFiles(folder))
    codes = recipe.finetune.languages or ()
    held_out = state.validations[-1].languages if state.validations else {}
    losses = [held_out[code].loss for code in codes if code in held_out]
    return TrainedAdapter(
        name=name_of(codes),
        languages=codes,
        folder=folder.parent,
        num_samples=num_samples,
        num_steps=len(state.metrics),
        loss=state.loss,
        held_out_loss=sum(losses) / len(losses) if losses else None,
    )


def _values(one: TrainedAdapter) -> dict[str, object]:
    return asdict(one) | {"folder": str(one.folder)}


def adapters_table(trained: Sequence[TrainedAdapter]) -> str:
    """Returns a table of adapters.

    Args:
        trained: The adapters.
    """
    rows = [_HEADINGS, *map(_row, trained)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    """Names and folders begin a column, numbers end one."""
    sides = "<>>>><"
    cells = zip(row, sides, widths, strict=True)
    return "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip()


def _row(one: TrainedAdapter) -> tuple[str, ...]:
    held_out = "none" if one.held_out_loss is None else f"{one.held_out_loss:.4f}"
    samples, number = f"{one.num_samples:,}", f"{one.num_steps:,}"
    return one.name, samples, number, f"{one.loss:.4f}", held_out, str(one.folder)
