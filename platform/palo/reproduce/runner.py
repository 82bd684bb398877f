"""Runs the steps of a recipe, one after another, each once: what `jobs/reproduce.py` does."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from palo import storage
from palo.errors import ConfigError, IncompleteError, TrainingError
from palo.pipeline.job import imported
from palo.progress import duration
from palo.recipes.recipe import Recipe
from palo.reproduce.decisions import StepDecision, StepInputs, decide
from palo.reproduce.exporting import lineage_file
from palo.reproduce.record import (
    FOLDER,
    StepRecord,
    StepState,
    read_reproduction,
    write_reproduction,
)
from palo.reproduce.reproduce_page import write_page
from palo.reproduce.settings import STEPS, ReproduceSettings, StepName
from palo.reproduce.step_process import StepOrder
from palo.reproduce.step_run import log_file, run_order
from palo.reproduce.steps import ReproduceStep, planned
from palo.terminal import visible

_PAGE_EVERY_S = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSelection:
    """Which steps are run.

    Attributes:
        first: The step from which on all are done again; None to do only what isn't done.
        only: The one step that is run, again if it is done; None for all.
    """

    first: StepName | None = None
    only: StepName | None = None

    def includes(self, name: StepName) -> bool:
        """Returns whether a step may be run.

        Args:
            name: The step.
        """
        return self.only in (None, name)

    def again(self, name: StepName) -> bool:
        """Returns whether a step is done again though it is done.

        Args:
            name: The step.
        """
        if self.only is not None:
            return self.only == name
        return self.first is not None and STEPS.index(name) >= STEPS.index(self.first)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reproduction:
    """A recipe whose steps are run.

    Attributes:
        recipe: The run, whose folders are where they last.
        settings: What is set beside it.
        serve: The script jobs/serve.py.
        command: What people run to go on.
    """

    recipe: Recipe
    settings: ReproduceSettings
    serve: Path
    command: str


def reproduce(wanted: Reproduction, selection: StepSelection) -> None:
    """Runs the steps of a recipe that aren't done, and prints the lineage of its model.

    Args:
        wanted: The recipe.
        selection: Which steps.

    Raises:
        ConfigError: If the recipe trains adapters, or a step is asked for before its time.
        DataError: If pretrained parts or source files are missing.
        IncompleteError: If a step has ended in order, but some requests got no answer.
        KeyboardInterrupt: If it was stopped; the step's checkpoint is written by then.
        TrainingError: If a step failed.
    """
    recipe = wanted.recipe
    if recipe.adapters:
        raise ConfigError(
            "these steps are for one model",
            seen=f"adapters {' '.join(recipe.adapters)}",
            fix="Train several adapters with jobs/finetune.py.",
        )
    recipe.parts.require()
    with storage.alone_in(recipe.output / FOLDER):
        _Runner(wanted).run(selection)
    lineage = lineage_file(recipe.output)
    if lineage.is_file():
        print(f"\nlineage of {recipe.output.name}\n{storage.read_text(lineage)}", end="")


class _Runner:
    """Runs the steps, and keeps their record and their page."""

    def __init__(self, wanted: Reproduction) -> None:
        self._wanted = wanted
        recipe = imported(wanted.recipe)
        found = read_reproduction(recipe.output, recipe.scale, STEPS)
        self._recipe, self._steps = planned(recipe, wanted.settings, found.step("translate"))
        kept = tuple(found.step(step.name) for step in self._steps)
        self._record = replace(found, steps=kept)
        self._page_at = 0.0

    def run(self, selection: StepSelection) -> None:
        """Runs the steps that are selected and not done.

        Args:
            selection: Which steps.
        """
        output = self._recipe.output
        print(f"run folder  {output}\npage        {output / 'reproduce.html'}", flush=True)
        for step in self._steps:
            if step.left_out:
                self._change(step, state="left out", note=step.left_out)
                self._say(step, f"left out: {step.left_out}")
            elif selection.includes(step.name):
                self._do(step, again=selection.again(step.name))
            else:
                self._require_done_before(step, selection.only)
        self._write_page(running=False)

    def _do(self, step: ReproduceStep, *, again: bool) -> None:
        inputs = step.inputs()
        decision = decide(self._of(step), inputs, step.outputs(), again=again)
        if not decision.runs:
            self._say(step, decision.why)
            return
        if decision.anew:
            for folder in step.folders:
                self._set_aside(step, folder, decision.why)
        self._begin(step, inputs, decision)
        order = StepOrder(
            step=step.name,
            recipe=self._recipe,
            settings=self._wanted.settings,
            serve=self._wanted.serve,
        )
        end = run_order(order, self._look)
        if end.how == "done":
            self._finish(step)
            return
        self._end(step, "stopped" if end.how == "stopped" else "failed", end.why)
        if end.how == "stopped":
            raise KeyboardInterrupt
        kind = IncompleteError if end.how == "incomplete" else TrainingError
        raise kind(f"the step {step.name} {_HOW[end.how]}", seen=end.why, fix=self._go_on(step))

    def _begin(self, step: ReproduceStep, inputs: StepInputs, decision: StepDecision) -> None:
        before = self._of(step)
        is_new = decision.anew or before.state in ("waiting", "left out", "done")
        self._change(
            step,
            state="running",
            note=decision.why,
            inputs=dict(inputs.hashes),
            settings=dict(inputs.settings),
            outputs={},
            attempts=1 if is_new else before.attempts + 1,
            wall_s=0.0 if is_new else before.wall_s,
            started=time.time(),
            ended=None,
        )
        log = log_file(self._recipe.output, step.name)
        self._say(step, f"{decision.why}; log {log}")
        self._write_page(running=True)

    def _finish(self, step: ReproduceStep) -> None:
        """Records what a step left.

        Raises:
            TrainingError: If it left nothing.
        """
        outputs = step.outputs()
        if not outputs:
            why = "it ended without what it should have left"
            self._end(step, "failed", why)
            raise TrainingError(f"the step {step.name} failed", seen=why, fix=self._go_on(step))
        self._end(step, "done", "", outputs)
        self._say(step, f"done in {duration(self._of(step).wall_s)}")

    def _end(
        self,
        step: ReproduceStep,
        state: StepState,
        note: str,
        outputs: dict[str, str] | None = None,
    ) -> None:
        record, now = self._of(step), time.time()
        wall_s = round(record.wall_s + now - (record.started or now), 1)
        self._change(step, state=state, note=note, outputs=outputs or {}, wall_s=wall_s, ended=now)
        self._write_page(running=state == "done")

    def _set_aside(self, step: ReproduceStep, folder: Path, why: str) -> None:
        """Renames what other inputs left, so that nothing is lost.

        Raises:
            ConfigError: If it lies on S3, which has no renaming, or is shared with other runs.
            StorageError: If it can't be renamed.
        """
        if not folder.exists():
            return
        if isinstance(folder, storage.S3Path) or folder == self._recipe.pretrain_output:
            raise ConfigError(
                f"{folder} holds what other inputs left, and can't be set aside",
                seen=why,
                fix="Give this run a folder of its own with --output, or remove that one.",
            )
        number = 1
        while (aside := folder.with_name(f"{folder.name}.before-{number}")).exists():
            number += 1
        with storage.wrap_os_errors("rename", folder):
            folder.rename(aside)
        self._say(step, f"what was there is now {aside}")

    def _require_done_before(self, step: ReproduceStep, only: StepName | None) -> None:
        """Refuses a step whose turn hasn't come.

        Raises:
            ConfigError: If a step before it isn't done.
        """
        if only is None or STEPS.index(step.name) > STEPS.index(only):
            return
        state = self._of(step).state
        # What is evaluated or asked is needed by no step.
        if state not in ("done", "left out") and step.name not in ("evaluate", "deploy"):
            raise ConfigError(
                f"--only {only} needs what {step.name} leaves",
                seen=f"{step.name} is {state}",
                fix=f"Run it first: --only {step.name}, or all steps without --only.",
            )

    def _go_on(self, step: ReproduceStep) -> str:
        log = log_file(self._recipe.output, step.name)
        return f"Its log is {log}. To go on: {self._wanted.command}"

    def _of(self, step: ReproduceStep) -> StepRecord:
        return self._record.step(step.name)

    def _change(self, step: ReproduceStep, **values: object) -> None:
        changed = replace(self._of(step), **values)  # type: ignore[arg-type]
        self._record = self._record.with_step(changed)
        write_reproduction(self._recipe.output, self._record)

    def _look(self, said: str) -> None:
        """Writes the page now and then, while a step runs."""
        if time.monotonic() >= self._page_at:
            self._write_page(running=True, said=said)

    def _write_page(self, *, running: bool, said: str = "") -> None:
        self._page_at = time.monotonic() + _PAGE_EVERY_S
        write_page(self._recipe, self._record, is_running=running, said=said)

    def _say(self, step: ReproduceStep, line: str) -> None:
        number = self._steps.index(step) + 1
        print(visible(f"{number}/{len(self._steps)} {step.name:9}  {line}"), flush=True)


_HOW = {"incomplete": "ended incomplete", "failed": "failed"}
