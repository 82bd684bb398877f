"""The export step: the finished model in a folder of its own, with its lineage."""

import tempfile
from pathlib import Path

from palo import storage
from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import DtypeName, ExportSettings
from palo.checkpoint.exporting.output_folder import STAMP
from palo.checkpoint.finished import describe_stage, local_copy
from palo.checkpoint.lineage import lineage_of
from palo.checkpoint.lineage_page import lineage_lines, lineage_page
from palo.corpus.report.lineage import corpus_node
from palo.recipes.recipe import Recipe
from palo.reproduce.record import FOLDER
from palo.reproduce.settings import ModelExport
from palo.reproduce.steps import export_folder

_WIDTH = 120


def export_model(recipe: Recipe, settings: ModelExport) -> None:
    """Exports the model of a run, and writes its lineage back to the source rows.

    Args:
        recipe: The run, with a finished finetune stage.
        settings: In which form.

    Raises:
        PaloError: What exports raise.
    """
    folder = export_folder(recipe)
    describe_stage(recipe.finetune_folder)  # says what is missing where it is no model
    stage = local_copy(recipe.finetune_folder)
    origin = lineage_of(stage, corpus_of=corpus_node).export_record()
    if isinstance(folder, storage.S3Path):
        with tempfile.TemporaryDirectory(prefix="palo-export-") as own:
            written = Path(own) / folder.name
            _write(stage, written, recipe, settings, origin)
            storage.send_tree(written, folder, last=STAMP)
            _write_lineage(written, recipe)
        return
    _write(stage, folder, recipe, settings, origin)
    _write_lineage(folder, recipe)


def _write(
    stage: Path, folder: Path, recipe: Recipe, settings: ModelExport, origin: dict[str, object]
) -> None:
    dtype: DtypeName = settings.dtype or recipe.finetune.dtype
    wanted = ExportSettings(model=stage, to=settings.to, output=folder, dtype=dtype, force=True)
    exported = export(wanted, lineage=origin, say=lambda line: print(line, flush=True))
    print(f"exported: {exported.folder}")
    if exported.verification is not None:
        for name, value in exported.verification.figures().items():
            print(f"  {name}: {value:.3g}" if isinstance(value, float) else f"  {name}: {value}")


def _write_lineage(folder: Path, recipe: Recipe) -> None:
    """Writes what jobs/lineage.py shows of the export."""
    lineage = lineage_of(folder, corpus_of=corpus_node)
    lines = lineage_lines(lineage, _WIDTH)
    storage.write_text(lineage_file(recipe.output), "\n".join([*lines, ""]))
    storage.write_text(recipe.output / "lineage.html", lineage_page(lineage))


def lineage_file(run: Path) -> Path:
    """Returns the file with the lineage of a run's export, as text.

    Args:
        run: The run folder.
    """
    return run / FOLDER / "lineage.txt"
