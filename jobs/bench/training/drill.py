"""The drill: one run that nothing happens to, and runs that are hurt, compared with it."""

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from resuming import say
from training import drill_disks, drill_faults, drill_nodes
from training.drill_cases import STORES as PLACES
from training.drill_cases import Case, TrainDrill
from training.drill_faults import Hurt
from training.drill_job import drill_job
from training.drill_outcomes import Outcome, Reference, judged, reference_of
from training.drilled_run import Starter
from training.stores import STORES, Store

from palo import config, storage
from palo.errors import IncompleteError, ResourceError
from palo.machine import command_lines
from palo.progress import duration
from palo.session import keep_ray_private
from palo.train.stages import StageJob

HURTS: Mapping[str, Callable[[Hurt], None]] = MappingProxyType(
    {
        "worker-killed": drill_faults.kill_worker,
        "driver-killed": drill_faults.kill_driver,
        "driver-terminated": drill_faults.terminate_driver,
        "checkpoint-damaged": drill_faults.damage_checkpoint,
        "resized": drill_faults.resize,
        "disk-full": drill_disks.fill_disk,
        "scratch-full": drill_disks.fill_scratch,
        "store-away": drill_faults.take_store_away,
        "store-stays-away": drill_faults.keep_store_away,
        "node-killed": drill_nodes.kill_node,
        "node-silent": drill_nodes.silence_node,
        "node-drained": drill_nodes.drain_node,
    }
)
"""What is done, by its name."""


def run_drill(settings: TrainDrill, root: Path) -> list[Outcome]:
    """Hurts one run after the other; those of an earlier command aren't repeated.

    Args:
        settings: The drill's settings.
        root: The checkout.

    Raises:
        IncompleteError: If there was no time for all.
    """
    keep_ray_private()
    until = time.monotonic() + 60 * settings.minutes
    done = _Done(settings, root)
    cases = list(settings.cases())
    with tempfile.TemporaryDirectory(prefix="palo-drill-") as name, ExitStack() as opened:
        job = drill_job(settings, Path(name) / "inputs")
        reference = done.reference() or _undisturbed(settings, job, Path(name), done)
        stores: dict[str, Store] = {}
        for number, case in enumerate(cases, start=1):
            if done.outcome(case) is not None:
                continue
            if time.monotonic() > until:
                raise IncompleteError(
                    f"{number - 1} of {len(cases)} runs of the drill are done",
                    seen=f"{settings.minutes:g} minutes are over",
                    fix="Run the same command again: it goes on.",
                )
            if case.store in STORES and case.store not in stores:
                stores[case.store] = opened.enter_context(STORES[case.store]())
            # Ray's sockets lie below it, whose paths must be short.
            folder = Path(name) / f"{number}"
            became = _hurt(case, settings, job, folder, stores.get(case.store), reference)
            done.keep(case, became)
            say(f"{number}/{len(cases)} {became}")
            shutil.rmtree(folder, ignore_errors=True)
    return [outcome for case in cases if (outcome := done.outcome(case)) is not None]


def _undisturbed(settings: TrainDrill, job: StageJob, folder: Path, done: "_Done") -> Reference:
    started = time.monotonic()
    undisturbed = replace(job, output=folder / "undisturbed" / "run")
    Starter(folder / "undisturbed", settings.timeout_s)(undisturbed).end()
    say(f"a run that nothing happens to: {duration(time.monotonic() - started)}")
    reference = reference_of(undisturbed)
    done.keep_reference(reference)
    return reference


def _hurt(
    case: Case,
    settings: TrainDrill,
    job: StageJob,
    folder: Path,
    store: Store | None,
    reference: Reference,
) -> Outcome:
    """Hurts a run and judges it; one that doesn't come to its end is an outcome, too."""
    storage.ensure_folder(folder)
    output = folder / "run" if store is None else store.bucket() / folder.name / "run"
    between = (settings.checkpoint_every + 1, settings.steps // 4)  # enough are left to be seen
    hurt = Hurt(
        job=replace(job, output=output),
        settings=settings,
        step=random.Random(f"{settings.seed} {case}").randint(*between),  # noqa: S311 - moments
        start=Starter(folder, settings.timeout_s),
        store=store,
        folder=folder,
    )
    started = time.monotonic()
    problem = ""
    try:
        HURTS[case.fault](hurt)
    except (RuntimeError, ResourceError, subprocess.CalledProcessError) as error:
        problem = str(error)
    finally:
        hurt.start.end_all()
    return judged(case, hurt, reference, time.monotonic() - started, problem)


class _Done:
    """The outcomes of finished runs, kept on the disk for the same code and settings.

    From a checkout with changes that are in no commit, nothing is kept: nobody could tell of what
    they are the outcomes.
    """

    def __init__(self, settings: TrainDrill, root: Path) -> None:
        git = ("git", "-C", str(root))
        code = [
            command_lines(*git, "rev-parse", f"HEAD:{folder}")
            for folder in ("platform", "jobs/bench/training")
        ]
        changed = command_lines(*git, "status", "--porcelain", "platform", "jobs/bench/training")
        every = replace(
            settings, output=None, cache=Path(), only=tuple(HURTS), stores=PLACES, minutes=0.0
        )
        self._folder = settings.cache / config.fingerprint([code, config.to_dict(every)])
        if changed or not all(code):
            self._folder = storage.ensure_folder(settings.cache / "changed")
            storage.remove(self._folder)

    def outcome(self, case: Case) -> Outcome | None:
        """Returns the outcome of a run; None if it must still be done."""
        path = self._folder / f"{case}.json"
        return config.from_dict(Outcome, storage.read_json(path)) if path.is_file() else None

    def keep(self, case: Case, outcome: Outcome) -> None:
        storage.ensure_folder(self._folder)
        storage.write_json(self._folder / f"{case}.json", config.to_dict(outcome))

    def reference(self) -> Reference | None:
        """Returns what the run was that nothing happened to; None if it must still be done."""
        path = self._folder / "undisturbed.json"
        return config.from_dict(Reference, storage.read_json(path)) if path.is_file() else None

    def keep_reference(self, reference: Reference) -> None:
        storage.ensure_folder(self._folder)
        storage.write_json(self._folder / "undisturbed.json", config.to_dict(reference))
