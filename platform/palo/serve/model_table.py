"""The models that an ingress serves at the moment, as the keeper of models tells it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from palo.serve.replica_client import ReplicaCall
from palo.serve.served_runs import ServedRuns

_LOG = logging.getLogger(__name__)
_FIRST_S = 30.0
_ANSWER_S = 60.0
_RETRY_S = 1.0

T = TypeVar("T")
AskKeeper = Callable[[str], Awaitable[ServedRuns]]
"""Asks the keeper for what is served; it answers when that isn't the state of this key."""


@dataclass(slots=True)
class ModelTable:
    """The models of an ingress; its mappings stay the same objects while their contents change.

    Attributes:
        calls: Call of each model's deployment, by name of the model.
        deployments: Name of each model's deployment, by name of the model.
        lineages: Id of each model's lineage, by name of the model.
        state: What the keeper has told last.
    """

    calls: dict[str, ReplicaCall] = field(default_factory=dict)
    deployments: dict[str, str] = field(default_factory=dict)
    lineages: dict[str, str] = field(default_factory=dict)
    state: ServedRuns = field(default_factory=ServedRuns)

    def show(self, state: ServedRuns, calls: Mapping[str, ReplicaCall]) -> None:
        """Puts another state in place, between two requests.

        Args:
            state: The state.
            calls: Call of each model's deployment, by name of the model.
        """
        _replace(self.calls, calls)
        _replace(self.deployments, {run.model: run.app for run in state.served})
        _replace(self.lineages, {run.model: run.lineage for run in state.served if run.lineage})
        self.state = state


def _replace(shown: dict[str, T], new: Mapping[str, T]) -> None:
    # Updated first, so that a name which stays is there at every moment.
    shown.update(new)
    for gone in shown.keys() - new.keys():
        del shown[gone]


class TableFollower:
    """Keeps a table as the keeper tells it.

    Args:
        table: The table.
        ask: Asks the keeper.
        make_call: Returns the call of a deployment, by its name.
    """

    def __init__(
        self, table: ModelTable, ask: AskKeeper, make_call: Callable[[str], ReplicaCall]
    ) -> None:
        self._table = table
        self._ask = ask
        self._make_call = make_call
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it follows, or hasn't been started yet."""
        return self._task is None or not self._task.done()

    async def start(self) -> None:
        """Waits for the first state, but not for ever, and follows from then on."""
        try:
            await self._look(_FIRST_S)
        except (RayError, RayServeException, TimeoutError) as error:
            _LOG.warning("the keeper of models doesn't answer: %r", error)
        self._task = asyncio.create_task(self._follow())

    async def _look(self, within_s: float) -> None:
        table = self._table
        state = await asyncio.wait_for(self._ask(table.state.key), within_s)
        calls = {}
        for run in state.served:
            is_known = table.deployments.get(run.model) == run.app
            # In a thread, since a new handle asks Ray Serve's controller.
            calls[run.model] = (
                table.calls[run.model]
                if is_known
                else await asyncio.to_thread(self._make_call, run.app)
            )
        table.show(state, calls)

    async def _follow(self) -> None:
        while True:
            try:
                await self._look(_ANSWER_S)
            except (RayError, RayServeException, TimeoutError) as error:
                _LOG.warning("the keeper of models doesn't answer: %r", error)
                await asyncio.sleep(_RETRY_S)
