"""Keeps an endpoint's models as the store has them: newer runs replace older ones by themselves.

It is a deployment beside the ingress. Each run that is served is a Serve application of its own,
which begins and ends without a word about any other: a new one is warm before the ingresses are
told of it, and the one before gets no new requests when it is deleted.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ServeStatus

from palo.capacity import RayCluster
from palo.checkpoint.finished import describe_stage, require_parts
from palo.checkpoint.lineage_id import lineage_id
from palo.config import fingerprint
from palo.errors import PaloError, ResourceError
from palo.observability.logs import start_logging
from palo.serve.grouping import group_by_base
from palo.serve.keeper_inputs import app_states, read_candidates, shortened, waits_for
from palo.serve.model_deployment import model_deployment
from palo.serve.rollout import Candidate, Rollout, Version, model_prefix
from palo.serve.served_runs import ServedRun, ServedRuns, UnservedRun
from palo.serve.settings import FollowSettings, ModelSource, ServeSettings
from palo.sharing import check_here
from palo.store import RUNS, lasting_path

if TYPE_CHECKING:
    from ray.serve import Application

_LOG = logging.getLogger(__name__)
_BUSY_LOOK_S = 1.0
_ANSWER_WITHIN_S = 5.0
_ANSWER_LOOK_S = 0.2
_END_S = 10.0


class ModelKeeper:
    """The deployment that keeps the models.

    Args:
        settings: Settings of the endpoint, which follows runs.
    """

    def __init__(self, settings: ServeSettings) -> None:
        start_logging()
        check_here()
        self._settings = settings
        self._follow = settings.follow or FollowSettings()
        self._runs = lasting_path(RUNS)
        key = fingerprint([settings.replica, settings.scale])
        self._rollouts = [
            Rollout(model=self._follow.model_of(run), settings=key) for run in self._follow.runs
        ]
        self._found: dict[str, list[Candidate]] = {}
        self._looked_s = float("-inf")
        self._lineages: dict[str, str] = {}
        self._told: ServedRuns | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="palo-keeper", daemon=True)
        self._thread.start()

    async def served(self, known: str) -> ServedRuns:
        """Returns what is served, as soon as that isn't what the caller knows, or after a while.

        Args:
            known: Key of the state that the caller knows; "" for none.
        """
        ends = time.monotonic() + _ANSWER_WITHIN_S
        while (told := self._told) is None or (told.key == known and time.monotonic() < ends):
            await asyncio.sleep(_ANSWER_LOOK_S)
        return told

    def check_health(self) -> None:
        """Checks the thread that looks; Ray Serve replaces a keeper that fails.

        Raises:
            ResourceError: If it has ended.
        """
        if not self._thread.is_alive():
            raise ResourceError("the keeper of models has stopped", fix="Start another.")

    def __del__(self) -> None:
        # Deleting the endpoint deletes its models; a keeper that is replaced leaves them running.
        if hasattr(self, "_thread"):
            self._ended.set()
            self._thread.join(_END_S)  # a model that it started after this would stay
            delete_models_of(serve.get_replica_context().app_name, self._rollouts)

    def _keep(self) -> None:
        pause_s = 0.0
        while not self._ended.wait(pause_s):
            try:
                self._look()
            except (RayError, RayServeException, TimeoutError) as error:
                _LOG.warning("Ray Serve doesn't answer: %s", shortened(str(error)))
            is_busy = any(rollout.next is not None for rollout in self._rollouts)
            pause_s = min(self._follow.look_every_s, _BUSY_LOOK_S if is_busy else float("inf"))

    def _look(self) -> None:
        now = time.monotonic()
        fault = self._look_at_store(now)
        status = serve.status()
        states = app_states(status)
        for rollout in self._rollouts:
            before = rollout.current, dict(rollout.faults)
            step = rollout.step(self._found.get(rollout.model, []), states, now)
            if step.start is not None and not self._ended.is_set():
                self._start(rollout, step.start, now)
            for app in step.stop:
                serve.delete(app, _blocking=False)
            _log_changes(rollout, *before)
        self._tell(status, fault)
        if self._read_lineages():
            self._tell(status, fault)

    def _look_at_store(self, now: float) -> str:
        """Reads the runs, but seldom; returns why that is impossible, or nothing."""
        if now - self._looked_s < self._follow.look_every_s * 0.9:
            return self._told.fault if self._told is not None else ""
        self._looked_s = now
        try:
            self._found = read_candidates(self._runs, self._follow)
        except PaloError as error:
            _LOG.warning("the store can't be looked at: %s", error)
            return str(error)
        return ""

    def _start(self, rollout: Rollout, version: Version, now: float) -> None:
        candidate = version.candidate
        _LOG.info("starting run %s as %s", candidate.run, candidate.model)
        try:
            built = self._application(version)
            serve.run_many(
                [serve.RunTarget(built, name=version.app, route_prefix=None)],
                wait_for_ingress_deployment_creation=False,
                wait_for_applications_running=False,
            )
        except PaloError as error:
            rollout.fail(version, str(error), now)
        except RuntimeError as error:
            rollout.fail(version, shortened(str(error)), now)

    def _application(self, version: Version) -> "Application":
        candidate = version.candidate
        source = ModelSource(name=candidate.model, folder=candidate.folder)
        require_parts(describe_stage(source.folder))
        (group,) = group_by_base([source])
        return model_deployment(version.app, group, self._settings)

    def _tell(self, status: ServeStatus, fault: str) -> None:
        """Publishes what is served, if it isn't what was told last."""
        current = [rollout.current for rollout in self._rollouts if rollout.current is not None]
        state = ServedRuns(
            served=tuple(
                ServedRun(
                    model=one.candidate.model,
                    run=one.candidate.run,
                    app=one.app,
                    lineage=self._lineages.get(one.candidate.prefix, ""),
                )
                for one in current
            ),
            starting=tuple(
                UnservedRun(
                    model=rollout.model,
                    run=rollout.next.candidate.run,
                    reason=waits_for(status, rollout.next.app, self._settings.scale, RayCluster()),
                )
                for rollout in self._rollouts
                if rollout.next is not None
            ),
            refused=tuple(
                UnservedRun(model=rollout.model, run=fault.run, reason=fault.reason)
                for rollout in self._rollouts
                for fault in rollout.faults.values()
            ),
            fault=fault,
        )
        if state != self._told:
            self._told = state

    def _read_lineages(self) -> bool:
        """Reads the lineages of what is served; returns whether any is new.

        It comes last, since the weights are read for it, and nobody has to wait for an id.
        """
        current = [one.current.candidate for one in self._rollouts if one.current is not None]
        unread = [one for one in current if one.prefix not in self._lineages]
        for candidate in unread:
            try:
                self._lineages[candidate.prefix] = lineage_id(candidate.folder)
            except PaloError as error:
                _LOG.warning("run %s has no readable lineage: %s", candidate.run, error)
                self._lineages[candidate.prefix] = ""
        return bool(unread)


def _log_changes(rollout: Rollout, current: Version | None, faults: Mapping[str, object]) -> None:
    if rollout.current != current and rollout.current is not None:
        _LOG.info("run %s is served as %s", rollout.current.candidate.run, rollout.model)
    for key, fault in rollout.faults.items():
        if faults.get(key) != fault:
            _LOG.error("run %s can't be served: %s", fault.run, fault.reason)


def delete_models_of(endpoint: str, rollouts: Sequence[Rollout]) -> None:
    """Deletes the models of an endpoint, if that is being deleted itself.

    Args:
        endpoint: Name of its application.
        rollouts: Its models.
    """
    applications = serve.status().applications
    own = applications.get(endpoint)
    if own is not None and own.status != ApplicationStatus.DELETING:
        return
    prefixes = tuple(model_prefix(rollout.model) for rollout in rollouts)
    for name in applications:
        if name.startswith(prefixes):
            serve.delete(name, _blocking=False)
