"""What the keeper of an endpoint's models tells its ingresses: the models, and what is amiss."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TRAIN_COMMAND = "python jobs/submit.py -- python jobs/finetune.py nano"
"""What a person runs where a cluster's store holds no model yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedRun:
    """A run that is served.

    Attributes:
        model: Name of its model for clients.
        run: Its name.
        app: Name of the Serve application, and of the deployment in it.
        lineage: Id of the model's lineage; empty if it can't be read.
    """

    model: str
    run: str
    app: str
    lineage: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnservedRun:
    """A run that isn't served, or not yet.

    Attributes:
        model: Name of its model for clients.
        run: Its name.
        reason: What it waits for, or why it can't be served.
    """

    model: str
    run: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedRuns:
    """All that is served, and what isn't.

    Attributes:
        served: The runs that are served.
        starting: Those that will be, once they are warm.
        refused: Those that can't be.
        fault: Why the store can't be looked at; empty if it can.
        key: Names this state; another state has another key.
    """

    served: tuple[ServedRun, ...] = ()
    starting: tuple[UnservedRun, ...] = ()
    refused: tuple[UnservedRun, ...] = ()
    fault: str = ""
    key: str = field(default_factory=lambda: secrets.token_hex(8), compare=False)

    def body(self) -> dict[str, Any]:
        """Returns the body of `/v1/status`."""
        return {
            "object": "status",
            "models": [
                {"id": one.model, "run": one.run, "lineage": one.lineage or None}
                for one in self.served
            ],
            "starting": _bodies(self.starting),
            "refused": _bodies(self.refused),
            "error": self.fault or None,
        }


def _bodies(runs: Iterable[UnservedRun]) -> list[Mapping[str, str]]:
    return [{"id": one.model, "run": one.run, "reason": one.reason} for one in runs]
