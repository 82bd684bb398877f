"""An ingress shows what the keeper tells, and goes on with what it knows while that is silent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ray.exceptions import RayActorError

from palo.serve.model_table import ModelTable, TableFollower
from palo.serve.served_runs import ServedRun, ServedRuns, UnservedRun


def state(*served: tuple[str, str], fault: str = "") -> ServedRuns:
    return ServedRuns(
        served=tuple(
            ServedRun(model=model, run=f"run of {app}", app=app, lineage=f"palo-{app}")
            for model, app in served
        ),
        fault=fault,
    )


class Keeper:
    """Tells one state after the other; an exception is raised."""

    def __init__(self, *told: ServedRuns | Exception) -> None:
        self.told = list(told)
        self.known: list[str] = []
        self.is_empty = asyncio.Event()

    async def __call__(self, known: str) -> ServedRuns:
        self.known.append(known)
        if not self.told:
            self.is_empty.set()
            await asyncio.Event().wait()
        told = self.told.pop(0)
        if isinstance(told, Exception):
            raise told
        return told


def following(
    *told: ServedRuns | Exception, check: Callable[[ModelTable, Keeper], Awaitable[None]]
) -> list[str]:
    """Follows a keeper until it has told all; returns the deployments that were connected to."""
    connected: list[str] = []

    async def run() -> None:
        keeper, table = Keeper(*told), ModelTable()

        def connect(app: str) -> Any:
            connected.append(app)
            return app

        follower = TableFollower(table, keeper, connect)
        await follower.start()
        await asyncio.wait_for(keeper.is_empty.wait(), 10)
        assert follower.is_running
        await check(table, keeper)

    asyncio.run(run())
    return connected


def test_the_first_state_is_there_when_it_has_started() -> None:
    first = state(("palo", "a"))

    async def check(table: ModelTable, keeper: Keeper) -> None:
        assert list(table.calls) == ["palo"]
        assert table.deployments == {"palo": "a"}
        assert table.lineages == {"palo": "palo-a"}
        assert keeper.known[1] == first.key

    assert following(first, check=check) == ["a"]


def test_a_change_reaches_whoever_holds_the_mappings() -> None:
    async def run() -> None:
        table = ModelTable()
        names, calls = table.calls.keys(), table.calls
        call: Any = "call"
        table.show(state(("x", "a"), ("y", "b")), {"x": call, "y": call})
        assert list(names) == ["x", "y"]
        table.show(state(("y", "c")), {"y": call})
        assert list(names) == ["y"]
        assert calls is table.calls
        assert table.deployments == {"y": "c"}

    asyncio.run(run())


def test_only_a_new_deployment_is_connected_to() -> None:
    async def check(table: ModelTable, keeper: Keeper) -> None:
        assert table.deployments == {"x": "a", "y": "c"}

    told = state(("x", "a"), ("y", "b")), state(("x", "a"), ("y", "c"))
    assert following(*told, check=check) == ["a", "b", "c"]


def test_while_the_keeper_is_away_the_models_stay() -> None:
    async def check(table: ModelTable, keeper: Keeper) -> None:
        assert table.deployments == {"palo": "b"}

    told = state(("palo", "a")), RayActorError(), TimeoutError(), state(("palo", "b"))
    following(*told, check=check)


def test_a_keeper_that_is_away_at_the_start_keeps_no_ingress_from_starting() -> None:
    async def check(table: ModelTable, keeper: Keeper) -> None:
        assert table.deployments == {"palo": "a"}

    following(RayActorError(), state(("palo", "a")), check=check)


def test_one_that_follows_no_more_says_so() -> None:
    async def run() -> None:
        follower = TableFollower(ModelTable(), Keeper(state(), ValueError("a fault")), str)
        assert follower.is_running
        await follower.start()
        while follower.is_running:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_the_status_names_what_is_served_what_comes_and_what_is_broken() -> None:
    told = ServedRuns(
        served=(ServedRun(model="palo", run="a", app="x", lineage="palo-1"),),
        starting=(UnservedRun(model="palo", run="b", reason="its replicas load the model"),),
        refused=(UnservedRun(model="palo", run="c", reason="damaged"),),
    )
    body = told.body()
    assert body["models"] == [{"id": "palo", "run": "a", "lineage": "palo-1"}]
    assert body["starting"][0]["run"] == "b"
    assert body["refused"] == [{"id": "palo", "run": "c", "reason": "damaged"}]
    assert body["error"] is None


def test_equal_states_are_equal_whatever_their_keys() -> None:
    assert state(("palo", "a")) == state(("palo", "a"))
    assert state(("palo", "a")) != state(("palo", "a"), fault="away")
