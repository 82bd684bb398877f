"""The page of a stage: how it goes now, curves, held-out losses, workers, events, settings."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from markupsafe import Markup

from palo import storage
from palo.errors import StorageError
from palo.html.page import Section, page, table
from palo.machine import GIB
from palo.progress import duration
from palo.train.metrics import eta_s
from palo.train.run_charts import TEMPLATES, step_charts, validation_chart, validation_table
from palo.train.screen import operations, slow_worker
from palo.train.tracking.flat_settings import flat_settings

if TYPE_CHECKING:
    from palo.train.stage_files import StageFiles
    from palo.train.stage_state import StageState

_EVERY_S = 15.0
_REFRESH_S = 15
_MOST_SHARE = 0.01
_MOST_RANKS = 64
_MOST_EVENTS = 100


class RunPage:
    """Writes the page of a running stage now and then.

    Args:
        name: The stage's name.
        files: Its files.
    """

    def __init__(self, name: str, files: "StageFiles") -> None:
        self._name = name
        self._files = files
        self._next = time.monotonic()

    def update(self, state: "StageState | None") -> None:
        """Writes it, if that is due.

        Args:
            state: The stage; None if it wasn't read.
        """
        if state is not None and state.metrics and time.monotonic() >= self._next:
            started = time.monotonic()
            self._write(state, is_running=True)
            ended = time.monotonic()
            # Long runs have long pages; a machine that trains has little time for them.
            self._next = ended + max(_EVERY_S, (ended - started) / _MOST_SHARE)

    def finish(self, state: "StageState") -> None:
        """Writes it for the last time; browsers stop loading it again.

        Args:
            state: The stage.
        """
        if state.metrics:
            self._write(state, is_running=False)

    def _write(self, state: "StageState", *, is_running: bool) -> None:
        where = f"{self._files.folder.parent.name}/{self._files.folder.name}"
        text = run_page(self._name, state, is_running=is_running, where=where)
        # A full disk, or a store that is away, is the workers' to tell: training goes on.
        with suppress(StorageError):
            storage.write_text(self._files.page, text)


def run_page(name: str, state: "StageState", *, is_running: bool, where: str) -> str:
    """Returns the page of a stage.

    Args:
        name: The stage's name.
        state: The stage, with at least one step.
        is_running: Whether it goes on, so that a browser shall load the page again.
        where: Name of its folder.
    """
    last = state.metrics[-1]
    written = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last.time))
    subtitle = f"{where}, step {last.step + 1:,} of {last.num_steps:,} at {written}"
    if not is_running:
        subtitle += ". It isn't running now"
    return page(
        f"Training: {name}",
        f"{subtitle}.",
        list(_sections(state)),
        refresh_s=_REFRESH_S if is_running else None,
    )


def _sections(state: "StageState") -> Iterator[Section]:
    yield Section("now", "Now", _now(state))
    yield Section("curves", "Curves", _part(charts=step_charts(state.metrics)))
    yield Section("languages", "Held-out loss by language", _languages(state))
    if state.ranks:
        yield Section("workers", "Workers", _workers(state))
    if state.events:
        yield Section("events", "Events", _events(state))
    if state.facts:
        yield Section("settings", "Settings", _settings(state))


def _part(**values: object) -> Markup:
    return TEMPLATES.render("run_parts.html", **({"charts": (), "tables": (), "note": ""} | values))


def _now(state: "StageState") -> Markup:
    last = state.metrics[-1]
    left = eta_s(state.metrics)
    tiles = [
        ("of the steps", f"{(last.step + 1) / last.num_steps:.1%}"),
        ("left", duration(left)) if left > 0 else ("trained", duration(_trained_s(state))),
        ("loss, latest 20 steps", f"{state.loss:.4f}"),
        ("tokens/s", f"{state.tokens_per_s:,.0f}"),
        ("samples/s", f"{state.samples_per_s:,.1f}"),
        ("a step", f"{state.step_s:,.2f} s"),
        ("waiting for data", f"{state.data_wait_share:.1%}"),
    ]
    if state.mfu is not None:
        tiles.append(("MFU", f"{state.mfu:.1%}"))
    elif state.model_flops_per_s is not None:
        rate, unit = operations(state.model_flops_per_s)
        tiles.append((f"{unit} of the model", rate))
    if last.peak_memory_bytes is not None:
        tiles.append(("peak memory of a worker", f"{last.peak_memory_bytes / GIB:.2f} GiB"))
    if state.validations:
        tiles.append(("held-out loss", f"{state.validations[-1].loss:.4f}"))
    if state.best is not None:
        tiles.append(("best on held-out rows", f"after step {state.best.step:,}"))
    slow = slow_worker(last)
    return TEMPLATES.render("run_now.html", tiles=tiles, warnings=[slow] if slow else [])


def _trained_s(state: "StageState") -> float:
    return sum(m.step_s for m in state.metrics)


def _languages(state: "StageState") -> Markup:
    if not state.validations:
        return _part(note="No rows are held out; validation.rows_per_language does that.")
    seconds = state.validations[-1].seconds
    return _part(
        charts=[validation_chart(state.validations)],
        tables=[validation_table(state.validations)],
        note=f"The latest evaluation took {duration(seconds)}. Lower is better; a token holds more "
        "text in some languages than in others, so compare a language with itself.",
    )


def _workers(state: "StageState") -> Markup:
    by_wait = sorted(state.ranks, key=lambda one: -one.data_wait_share)
    shown = sorted(by_wait[:_MOST_RANKS], key=lambda one: one.rank)
    rows = [
        (
            str(one.rank),
            f"{one.tokens_per_s:,.0f}",
            f"{one.data_wait_share:.1%}",
            f"{one.cpu_share:.0%}",
            f"{one.memory_bytes / GIB:.2f}",
            f"{one.peak_memory_bytes / GIB:.2f}",
        )
        for one in shown
    ]
    head = ("worker", "tokens/s", "waiting for data", "CPU", "memory (GiB)", "peak (GiB)")
    caption = "Over the latest 20 steps"
    if len(shown) < len(state.ranks):
        caption += f": the {_MOST_RANKS} of {len(state.ranks)} that wait longest"
    return _part(tables=[table(caption, head, rows)])


def _events(state: "StageState") -> Markup:
    rows = [
        (time.strftime("%m-%d %H:%M:%S", time.localtime(event.time)), event.note)
        for event in reversed(state.events[-_MOST_EVENTS:])
    ]
    return _part(tables=[table("The newest first", ("time", "what"), rows, name_columns=2)])


def _settings(state: "StageState") -> Markup:
    facts = dict(state.facts)
    convention = str(facts.pop("convention", ""))
    job = dict(facts.pop("settings", {}))
    # Names as on the command line, without those of the file they come from.
    rows = list(flat_settings(job.pop("config", {}) | job | facts).items())
    return _part(
        tables=[
            table("What the stage was started with", ("setting", "value"), rows, name_columns=2)
        ],
        note=f"MFU and TFLOP/s count {convention}" if convention else "",
    )
