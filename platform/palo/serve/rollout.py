"""Which of a model's runs is served, and when another one takes over.

The rules alone: they read what the store holds and what Ray Serve says, and return what to do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palo.config import fingerprint

RETRY_S = 600.0
"""How long a run that couldn't be served is left alone, in seconds."""
RETIRE_S = 10.0
"""How long an application lives on after all ingresses were told of its successor, in seconds."""
# Longer than a keeper that is being replaced can live on beside its successor.
_STRAY_S = 120.0
_PREFIX = "model-"
_ODD = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A finished run that may be served.

    Attributes:
        model: Name of the model for clients.
        run: Name of the run.
        folder: Folder of its finetune stage.
        finished: When that was finished, as Unix time.
    """

    model: str
    run: str
    folder: Path
    finished: float

    @property
    def prefix(self) -> str:
        """How the names of its applications begin, whatever the settings of their replicas."""
        key = fingerprint([str(self.folder), repr(self.finished)])[:8]
        return f"{model_prefix(self.model)}{key}-"


def model_prefix(model: str) -> str:
    """Returns how the names of a model's applications begin.

    Args:
        model: Name of the model.
    """
    # Names of models that differ in odd characters alone stay apart.
    return f"{_PREFIX}{_ODD.sub('_', model)}-{fingerprint(model)[:4]}-"


@dataclass(frozen=True, kw_only=True, slots=True)
class AppState:
    """What Ray Serve says of an application.

    Attributes:
        is_running: Whether all its replicas are warm.
        fault: Why it can't start; empty if that isn't known.
    """

    is_running: bool = False
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A run in its application.

    Attributes:
        candidate: The run.
        app: Name of its application, and of the deployment in it.
    """

    candidate: Candidate
    app: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Why a run isn't served.

    Attributes:
        run: Name of the run.
        reason: The reason, as a line.
        at: When it was tried, on the clock of `Rollout.step`.
    """

    run: str
    reason: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutStep:
    """What is to be done.

    Attributes:
        start: What to start; None if nothing is.
        stop: Applications to delete, which finish the answers that they have begun.
    """

    start: Version | None = None
    stop: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class Rollout:
    """The succession of one model's runs: a new one is warm before the old one goes.

    Attributes:
        model: Name of the model.
        settings: Fingerprint of the replicas' settings: with others a run is started anew.
        current: What is served; None while nothing is.
        next: What is being started.
        faults: Why runs aren't served, by `Candidate.prefix`.
    """

    model: str
    settings: str
    current: Version | None = None
    next: Version | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    _retired: dict[str, float] = field(default_factory=dict)

    def step(
        self, found: Sequence[Candidate], states: Mapping[str, AppState], now: float
    ) -> RolloutStep:
        """Decides what is to be done.

        Args:
            found: The model's finished runs, the newest first.
            states: State of each of Ray Serve's applications, by name.
            now: Time on a monotonic clock, in seconds.
        """
        own = {name: state for name, state in states.items() if self._is_own(name)}
        if self.current is not None and self.current.app not in own:
            self.current = None  # somebody has deleted it
        if self.current is None:
            self.current = self._adopted(found, own)
        stop = self._settle(own, now)
        target = self._target(found, now)
        start = None
        if target != self.next:
            stop += [self.next.app] if self.next is not None else []
            self.next = target
        if self.next is not None and self.next.app not in own:
            start = self.next
        return RolloutStep(start=start, stop=(*stop, *self._over(own, now)))

    def fail(self, version: Version, reason: str, now: float) -> None:
        """Takes note that a run can't be served; the one before stays.

        Args:
            version: The run.
            reason: Why, as a line.
            now: Time on the clock of `step`.
        """
        candidate = version.candidate
        self.faults[candidate.prefix] = Fault(run=candidate.run, reason=reason, at=now)
        if self.next == version:
            self.next = None

    def _is_own(self, app: str) -> bool:
        return app.startswith(model_prefix(self.model))

    def _adopted(self, found: Sequence[Candidate], own: Mapping[str, AppState]) -> Version | None:
        """Returns the newest run that is served already, by whoever kept the models before."""
        for candidate in found:
            for app, state in own.items():
                if state.is_running and app.startswith(candidate.prefix):
                    return Version(candidate=candidate, app=app)
        return None

    def _settle(self, own: Mapping[str, AppState], now: float) -> list[str]:
        """Makes what was being started the current one, or gives it up; returns what to delete."""
        started = self.next
        state = own.get(started.app) if started is not None else None
        if started is None or state is None:
            return []
        if state.is_running:
            if self.current is not None:
                self._retired[self.current.app] = now
            self.current, self.next = started, None
            self.faults.pop(started.candidate.prefix, None)
        elif state.fault:
            self.fail(started, state.fault, now)
            return [started.app]
        return []

    def _target(self, found: Sequence[Candidate], now: float) -> Version | None:
        """Returns what should be started: the newest run that may be sound, if it isn't served.

        Nothing older replaces what is served: a run that is trained again has no model meanwhile.
        """
        self.faults = {
            key: fault
            for key, fault in self.faults.items()
            if any(candidate.prefix == key for candidate in found)
        }
        for candidate in found:
            fault = self.faults.get(candidate.prefix)
            if fault is not None and now - fault.at < RETRY_S:
                continue
            version = Version(candidate=candidate, app=f"{candidate.prefix}{self.settings[:8]}")
            if self.current is None:
                return version
            is_older = candidate.finished < self.current.candidate.finished
            return None if is_older or version == self.current else version
        return None

    def _over(self, own: Mapping[str, AppState], now: float) -> list[str]:
        """Returns applications that have had their time."""
        known = {version.app for version in (self.current, self.next) if version is not None}
        for app in own.keys() - known - self._retired.keys():
            self._retired[app] = now + _STRAY_S - RETIRE_S
        self._retired = {
            app: at for app, at in self._retired.items() if app in own and app not in known
        }
        return [app for app, at in self._retired.items() if now - at >= RETIRE_S]
