"""Nodes of a cluster that the drill takes away: two workers, one, and two again in one command."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from training.drill_faults import Hurt, newest_step, require
from training.drill_job import resized
from training.drilled_run import DrilledRun, num_steps
from training.machines import Machine, Machines

_REMAINING_S = 120
_ROOM = "the cluster has room for 2 workers again"


def kill_node(hurt: Hurt) -> None:
    """A node's processes are killed: the other one goes on alone, until there is a third."""
    _lose(hurt, silently=False)


def silence_node(hurt: Hurt) -> None:
    """A node's network ends with it, so that no connection to it breaks."""
    _lose(hurt, silently=True)


def kill_node_before_start(hurt: Hurt) -> None:
    """A node is lost just before there are workers; the cluster counts on it for a while."""
    with _on_machines(hurt) as (machines, node, begin):
        run = begin()
        run.wait_for("the start", lambda: "starting 2 workers" in run.said)
        said = _go_on_alone(hurt, run, machines, node)
    require(said, "a node was lost while workers start")


def kill_node_at_start(hurt: Hurt) -> None:
    """A node is lost when a worker is to start there."""
    with _on_machines(hurt) as (machines, node, begin):
        group_is_there = machines.watch_for_group()
        run = begin()
        run.wait_for("room for workers", group_is_there)
        _go_on_alone(hurt, run, machines, node)


def _go_on_alone(hurt: Hurt, run: DrilledRun, machines: Machines, node: Machine) -> str:
    """Takes a node from a run, which the other worker sees to its end."""
    hurt.now()
    machines.lose(node, silently=False)
    run.wait_for("one worker", lambda: "starting 1 of 2 workers" in run.said)
    run.wait_for_step(1)
    hurt.recovered()
    said = run.end()
    require(said, "a worker was lost (1 of 3)")
    return said


def drain_node(hurt: Hurt) -> None:
    """The cluster says that a node will be taken away: a checkpoint in time, then another node."""
    with _on_machines(hurt) as (machines, node, begin):
        run = begin()
        run.wait_for_step(hurt.step)
        machines.add()
        hurt.now()
        machines.drain(node, _REMAINING_S)
        run.wait_for("the notice", lambda: "a node is taken away" in run.said)
        before = num_steps(hurt.job)
        hurt.repeated = before - newest_step(hurt.job)
        run.wait_for("another step", lambda: num_steps(hurt.job) > before)
        hurt.recovered()
        machines.lose(node, silently=True)
        said = run.end()
    require(said, "starting 2 of 2 workers, attempt 2")
    if "a worker was lost" in said:
        raise RuntimeError(f"the notice cost a failure: {said[-2000:]}")


def _lose(hurt: Hurt, *, silently: bool) -> None:
    with _on_machines(hurt) as (machines, node, begin):
        run = begin()
        run.wait_for_step(hurt.step)
        hurt.now()
        machines.lose(node, silently=silently)
        run.wait_for("one worker", lambda: "starting 1 of 2 workers" in run.said)
        before = num_steps(hurt.job)
        run.wait_for("another step", lambda: num_steps(hurt.job) != before)
        hurt.recovered()
        if _ROOM in run.said:
            raise RuntimeError(f"there was room before there was another node: {run.said[-2000:]}")
        machines.add()
        said = run.end()
    require(said, "a worker was lost (1 of 3)", _ROOM)


@contextmanager
def _on_machines(hurt: Hurt) -> Iterator[tuple[Machines, Machine, Callable[[], DrilledRun]]]:
    """Yields a cluster, its second node, and what starts the command on both."""
    with Machines(hurt.folder) as machines:
        machines.add()
        node = machines.add()

        def begin() -> DrilledRun:
            scratch = machines.own / "scratch"
            job = resized(hurt.job, least=1, wait_s=0.0, scratch=scratch)
            if hurt.store is not None:  # loopback is a machine's own
                place = hurt.store.bucket(machines.address) / hurt.folder.name / "run"
                job = replace(job, output=place)
            return hurt.start(job, machines.environment)

        yield machines, node, begin
