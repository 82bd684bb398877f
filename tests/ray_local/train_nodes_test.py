"""Training on a cluster that loses a node, and on one that says a node will be taken away.

The nodes are make-believe machines, each with processes, a network and a disk of its own.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

from palo import storage
from palo.train.engine import PlainEngine
from palo.train.metrics import read_metrics
from palo.train.worker import train_stage

pytestmark = [pytest.mark.ray, pytest.mark.drill, pytest.mark.timeout(600)]
_OWN = ("resuming", "training")


@pytest.fixture(scope="module")
def drill():
    """The drill's own modules, which are importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from training import drill_nodes, machines
        from training.drill_cases import TrainDrill
        from training.drill_faults import Hurt
        from training.drill_job import drill_job
        from training.drilled_run import Starter

        if why := machines.why_no_machines():
            pytest.skip(f"make-believe machines: {why}")
        yield SimpleNamespace(
            nodes=drill_nodes, settings=TrainDrill(), hurt=Hurt, job=drill_job, starter=Starter
        )
    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]


@pytest.fixture(scope="module")
def undisturbed(drill, tmp_path_factory):
    """A stage and the losses that it has in one process, which two workers share within 1e-5."""
    folder = tmp_path_factory.mktemp("inputs")
    job = replace(drill.job(drill.settings, folder), output=folder / "run")
    train_stage(job, PlainEngine)
    return job, losses(job)


@pytest.fixture
def hurt(drill, undisturbed):
    """A run of the stage that can be hurt."""
    with tempfile.TemporaryDirectory(prefix="pd-") as name:  # pytest's paths are too long for Ray
        folder = Path(name)
        one = drill.hurt(
            job=replace(undisturbed[0], output=folder / "run"),
            settings=drill.settings,
            step=10,
            start=drill.starter(folder, drill.settings.timeout_s),
            store=None,
            folder=storage.ensure_folder(folder),
        )
        yield one
        one.start.end_all()


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


def test_a_lost_node_leaves_one_worker_until_there_is_another_node(drill, hurt, undisturbed):
    """Regression: the lost node was counted, and the next attempt waited for its workers."""
    drill.nodes.kill_node(hurt)  # raises where a line wasn't said
    assert losses(hurt.job) == pytest.approx(undisturbed[1], abs=1e-5)
    assert 0 <= hurt.repeated <= 2 * drill.settings.checkpoint_every


def test_a_node_that_is_lost_before_workers_start_isnt_waited_for(drill, hurt, undisturbed):
    """Regression: the run waited five minutes for room that there wasn't any more."""
    drill.nodes.kill_node_before_start(hurt)
    assert losses(hurt.job) == pytest.approx(undisturbed[1], abs=1e-5)


def test_a_node_that_is_lost_while_workers_start_costs_one_failure(drill, hurt, undisturbed):
    """Regression: the run ended, since Ray Train's error for it wasn't known."""
    drill.nodes.kill_node_at_start(hurt)
    assert losses(hurt.job) == pytest.approx(undisturbed[1], abs=1e-5)


def test_a_drained_node_costs_no_step_and_no_failure(drill, hurt, undisturbed):
    drill.nodes.drain_node(hurt)
    assert losses(hurt.job) == pytest.approx(undisturbed[1], abs=1e-5)
    assert hurt.repeated == 0
