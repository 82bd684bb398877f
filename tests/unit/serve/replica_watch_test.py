"""What Ray Serve's controller says of replicas, and that it is asked seldom."""

import asyncio

from ray import serve
from ray.exceptions import RayActorError
from ray.serve.schema import ApplicationStatusOverview, DeploymentStatusOverview, ServeStatus

from palo.serve import replica_watch
from palo.serve.replica_watch import ServeWatch


def status(**states):
    deployments = {
        name: DeploymentStatusOverview("HEALTHY", "", replica_states=of, message="")
        for name, of in states.items()
    }
    return ServeStatus(
        applications={"palo": ApplicationStatusOverview("RUNNING", "", 0.0, deployments)}
    )


def test_only_a_replica_that_runs_counts(monkeypatch):
    said = status(a={"RUNNING": 1, "STARTING": 1}, b={"STARTING": 1}, c={})
    monkeypatch.setattr(serve, "status", lambda: said)

    async def run():
        watch = ServeWatch({"one": "a", "same": "a", "two": "b", "three": "c", "four": "d"})
        # The last one has no deployment here.
        names = ("one", "same", "two", "three", "four", "elsewhere")
        return [await watch.is_served(name) for name in names]

    assert asyncio.run(run()) == [True, True, False, False, False, True]


def test_one_look_answers_all_who_wait(monkeypatch):
    looks = []

    def look():
        looks.append(None)
        return status(a={"RUNNING": 1})

    monkeypatch.setattr(serve, "status", look)

    async def run():
        watch = ServeWatch({"one": "a"})
        return await asyncio.gather(*(watch.is_served("one") for _ in range(9)))

    assert asyncio.run(run()) == [True] * 9
    assert len(looks) == 1


def test_while_the_controller_is_silent_its_last_word_counts(monkeypatch):
    said = [status(a={"STARTING": 1})]

    def look():
        if said:
            return said.pop()
        raise RayActorError

    monkeypatch.setattr(serve, "status", look)
    monkeypatch.setattr(replica_watch, "_LOOK_EVERY_S", 0.0)

    async def run():
        watch = ServeWatch({"one": "a"})
        return [await watch.is_served("one") for _ in range(2)]

    assert asyncio.run(run()) == [False, False]
    assert not said
