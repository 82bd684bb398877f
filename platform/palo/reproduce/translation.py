"""The translate step: English conversations become further instructions in other languages."""

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from palo import config, storage
from palo.account import cache_folder
from palo.errors import DataError
from palo.recipes.recipe import DRAWN, Recipe
from palo.reproduce.settings import TranslateSettings
from palo.session import ray_session
from palo.translate.bulk.job import translate_all
from palo.translate.bulk.outputs import RECORDS, OutputForm
from palo.translate.bulk.settings import TranslateJob

_ENGLISH = "en"
_NAME = "translated"
_APERTIUM = "apertium"


def why_left_out(recipe: Recipe, settings: TranslateSettings, *, was_done: bool) -> str:
    """Says why nothing is translated for a recipe; empty if something is.

    Args:
        recipe: The run.
        settings: What is translated.
        was_done: Whether it was translated in an earlier run; then it needs no translator.
    """
    if recipe.data.more_instructions is not None:
        return f"the recipe has further instructions: {recipe.data.more_instructions}"
    if settings.source is None and not _has_scenes(recipe):
        return "the recipe's instructions are as they shall be; --translate.source names others"
    needs_apertium = settings.translator.backend == _APERTIUM and not was_done
    if needs_apertium and shutil.which(_APERTIUM) is None:
        return (
            "Apertium isn't installed here: apt-get install apertium apertium-eng-spa "
            "apertium-fr-es, or choose another translator with --translate.backend"
        )
    return ""


def _has_scenes(recipe: Recipe) -> bool:
    return recipe.scenes is not None and recipe.data.instructions.parts[:1] == (DRAWN,)


def records_folder(recipe: Recipe) -> Path:
    """Returns the folder of the translated conversations, a file for each language.

    Args:
        recipe: The run.
    """
    return recipe.output / "translations" / RECORDS


def with_translations(recipe: Recipe) -> Recipe:
    """Returns a recipe whose finetune stage learns from the translations, too.

    Args:
        recipe: The run.
    """
    return replace(recipe, data=replace(recipe.data, more_instructions=records_folder(recipe)))


def translate(recipe: Recipe, settings: TranslateSettings) -> None:
    """Translates conversations, each once, however often this is interrupted.

    Args:
        recipe: The run; its scenes, if the conversations come from there, are drawn first.
        settings: What is translated, and by what.

    Raises:
        ConfigError: If the translator or a setting is wrong.
        DataError: If nothing can be translated, or nothing could be accepted.
        IncompleteError: If the server left some conversations without an answer.
    """
    from palo.endpoint.ending import require_complete
    from palo.pipeline.steps import draw_scenes

    draw_scenes(recipe)
    folder = _working_folder(recipe)
    job = TranslateJob(
        source=settings.source or _english_scenes(recipe, settings.most, folder),
        to=settings.to,
        translator=settings.translator,
        output=folder,
        name=_NAME,
    ).used()
    config.check(job)
    with ray_session() if job.needs_ray else contextlib.nullcontext():
        report = translate_all(job.work(), folder, form=OutputForm(), on_progress=_say)
    for code, counts in report.languages.items():
        print(
            f"{code}: {counts.records:,} records, {counts.review:,} in review, "
            f"{counts.quarantine:,} in quarantine, {counts.missing:,} to come"
        )
    left = f"{report.num_missing:,} conversations"
    require_complete(report.lost, report.lost_examples, left, job.limits())
    if not any(counts.records for counts in report.languages.values()):
        raise DataError(
            "no translation was accepted",
            seen=folder / "report" / "index.html",
            fix="Look at the reasons there, and choose another translator.",
        )
    for empty in (path for path in (folder / RECORDS).iterdir() if path.stat().st_size == 0):
        storage.remove(empty)  # no source of a corpus
    records = records_folder(recipe)
    if isinstance(records, storage.S3Path):
        storage.send_tree(folder / RECORDS, records)


def _working_folder(recipe: Recipe) -> Path:
    """The job's folder: a translation keeps its ledger on a disk, wherever the run lies."""
    folder = records_folder(recipe).parent
    if not isinstance(folder, storage.S3Path):
        return folder
    name = f"{recipe.output.name}-{config.fingerprint(str(recipe.output))}"
    return cache_folder() / "translations" / name


def _english_scenes(recipe: Recipe, most: int, folder: Path) -> Path:
    """Writes the first English conversations about the drawn scenes as a source of their own."""
    path = recipe.source(recipe.data.instructions)
    rows = []
    for _, row in storage.read_json_lines(path):
        if isinstance(row, dict) and row.get("language") == _ENGLISH:
            rows.append(json.dumps(row, ensure_ascii=False))
        if len(rows) == most:
            break
    if not rows:
        raise DataError(
            "the recipe's scenes have no English conversations to translate",
            seen=path,
            fix="Leave English among --scenes.languages, or name others with --translate.source.",
        )
    source = folder / "english.jsonl"
    storage.write_text(source, "\n".join(rows) + "\n")
    return source


def record_hashes(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yields name and SHA-256 of each file of translated conversations.

    Args:
        recipe: The run.
    """
    for path in sorted(records_folder(recipe).glob("*.jsonl")):
        yield path.name, storage.file_hash(path)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
