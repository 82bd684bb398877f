"""The page of a reproduction: steps, results by language, the answered questions, lineage."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from palo import languages, storage
from palo.client import ImageContent
from palo.errors import StorageError
from palo.html.page import Section, Templates, language_label, page, table
from palo.pipeline.steps import corpus_config, stage_job, stage_names
from palo.progress import duration
from palo.recipes.recipe import Recipe
from palo.reproduce.answers import GivenAnswer, GivenAnswers, read_answers
from palo.reproduce.exporting import lineage_file
from palo.reproduce.record import FOLDER, ReproduceRecord, StepRecord
from palo.reproduce.settings import low_resource
from palo.reproduce.step_run import log_file

_TEMPLATES = Templates(Path(__file__).parent / "templates")
_PARTS = "reproduce_parts.html"
_REFRESH_S = 15
_LAST_LINES = 12
_MOST_IMAGE_BYTES = 1 << 20


class _Shown(NamedTuple):
    """An image with what was asked about it."""

    name: str
    uri: str
    answers: list[GivenAnswer]


def write_page(recipe: Recipe, record: ReproduceRecord, *, is_running: bool, said: str) -> None:
    """Writes the page of a run's steps, `reproduce.html`.

    Args:
        recipe: The run.
        record: Its steps.
        is_running: Whether it goes on, so that a browser shall load the page again.
        said: The latest that the running step said; empty where none runs.
    """
    # A full disk, or a store that is away, is the steps' to tell.
    with suppress(StorageError):
        text = reproduce_page(recipe, record, is_running=is_running, said=said)
        storage.write_text(recipe.output / "reproduce.html", text)


def reproduce_page(recipe: Recipe, record: ReproduceRecord, *, is_running: bool, said: str) -> str:
    """Returns the page of a run's steps.

    Args:
        recipe: The run.
        record: Its steps.
        is_running: Whether it goes on.
        said: The latest that the running step said.

    Raises:
        PaloError: If a file of the run is damaged.
    """
    done = sum(step.state in ("done", "left out") for step in record.steps)
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
    state = "" if is_running or done == len(record.steps) else " It isn't running now."
    return page(
        f"Reproduction of {recipe.output.name}",
        f"Recipe {recipe.scale}, {done} of {len(record.steps)} steps at {now}.{state}",
        list(_sections(recipe, record, said)),
        refresh_s=_REFRESH_S if is_running else None,
    )


def _sections(recipe: Recipe, record: ReproduceRecord, said: str) -> Iterator[Section]:
    run = recipe.output
    yield Section("steps", "Steps", _steps(run, record))
    if said:
        lines = "\n".join(said.splitlines()[-_LAST_LINES:])
        yield Section("now", "Now", _part("plain", lines))
    if pages := list(_pages(recipe)):
        yield Section("pages", "Pages", _part("links", pages))
    if (report := run / "report.json").is_file():
        yield Section("results", "Results by language", _results(storage.read_json(report)))
    if (given := read_answers(run)) is not None:
        yield Section("answers", "Answers of the endpoint", _answers(given))
    if (lineage := lineage_file(run)).is_file():
        yield Section("lineage", "Lineage", _part("plain", storage.read_text(lineage)))


def _part(name: str, *values: object) -> Markup:
    return _TEMPLATES.macro(name, *values, file=_PARTS)


def _steps(run: Path, record: ReproduceRecord) -> Markup:
    head = ("step", "state", "what", "log", "started", "time", "attempts")
    return table(
        "Each is done once", head, [_row(run, step) for step in record.steps], name_columns=5
    )


def _row(run: Path, step: StepRecord) -> tuple[str, ...]:
    log = log_file(run, step.name)
    has_begun = step.started is not None
    wall_s = step.wall_s
    if step.state == "running" and step.started is not None:
        wall_s += time.time() - step.started
    return (
        step.name,
        step.state,
        step.note,
        _part("link", log.name, log.relative_to(run).as_posix()) if has_begun else "",
        time.strftime("%m-%d %H:%M:%S", time.localtime(step.started)) if has_begun else "",
        duration(wall_s) if has_begun else "",
        str(step.attempts) if has_begun else "",
    )


def _pages(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yields name and relative place of each page that is in the run folder."""
    run = recipe.output
    candidates = {"translation": run / "translations" / "report" / "index.html"}
    for stage in stage_names(recipe):
        candidates[f"{stage} corpus"] = corpus_config(recipe, stage).output / "report/index.html"
        candidates[f"{stage} training"] = stage_job(recipe, stage).files.page
    candidates |= {"figure of the results": run / "report.png", "lineage": run / "lineage.html"}
    candidates |= {"record": run / FOLDER / "record.json"}
    for name, place in candidates.items():
        if place.is_relative_to(run) and place.is_file():
            yield name, place.relative_to(run).as_posix()


def _results(report: dict[str, Any]) -> Markup:
    if "accuracy" not in report:
        losses = report.get("caption_loss", {})
        rows = [(state, *map(_number, loss.values())) for state, loss in losses.items()]
        head = ("training", *(name.replace("_", " ") for name in next(iter(losses.values()), {})))
        return table("Loss of held-out captions", head, rows)
    accuracy, interval = report["accuracy"], report["accuracy_interval"]
    counts = report["num_questions_by_language"]
    blind = report.get("accuracy_without_image_by_language", {})
    first = low_resource()
    codes = [*first, *(code for code in languages.codes() if code not in first)]
    rows = [
        (
            language_label(code),
            f"{counts[code]:,}",
            f"{accuracy[code]:.1%}",
            "{:.1%} to {:.1%}".format(*interval[code]),
            f"{blind[code]:.1%}" if code in blind else "",
        )
        for code in codes
        if code in accuracy
    ]
    head = ("language", "questions", "exact match", "95 % interval", "without image")
    return table(f"{report['num_questions']:,} held-out questions", head, rows)


def _number(value: float) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def _answers(given: GivenAnswers) -> Markup:
    by_image: dict[Path, list[GivenAnswer]] = {}
    for one in given.answers:
        by_image.setdefault(one.asked.image, []).append(one)
    images = [_Shown(path.name, _uri(path), found) for path, found in by_image.items()]
    return _TEMPLATES.render(
        "reproduce_answers.html",
        images=images,
        endpoint=given.endpoint,
        lineage_id=given.lineage_id,
    )


def _uri(path: Path) -> str:
    """Returns an image as a data URI; "" if it is gone, or larger than a page should be."""
    if not path.is_file() or path.stat().st_size > _MOST_IMAGE_BYTES:
        return ""
    return ImageContent.read(path).data_url
