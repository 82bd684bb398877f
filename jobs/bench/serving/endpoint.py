"""Endpoints for the bench: on a private Ray, on loopback, without keys."""

import dataclasses
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.clients import ConcurrentClients, RequestOutcome

from palo.session import ray_session

MODEL = "bench"
HOST = "127.0.0.1"
_NUM_CPUS = 4


@contextmanager
def bench_session(root: Path) -> Iterator[None]:
    """Runs a private Ray whose workers find the checkout's applications.

    Args:
        root: The checkout.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *([before] if before else [])])
    with ray_session(num_cpus=_NUM_CPUS, niceness=0):
        yield


def serve_settings(stage: Path, replica: dict[str, Any], scale: dict[str, Any]) -> Any:  # noqa: ANN401 - loads torch
    """Returns the settings of an endpoint with one model.

    Args:
        stage: Folder of its stage.
        replica: Fields of `ReplicaSettings`.
        scale: Fields of `ScaleSettings`.
    """
    from palo.security.access import AccessSettings
    from palo.serve.settings import ModelSource, ReplicaSettings, ScaleSettings, ServeSettings

    return ServeSettings(
        models=(ModelSource(name=MODEL, folder=stage),),
        access=AccessSettings(host=HOST, no_keys=True),
        replica=ReplicaSettings(**replica),
        scale=ScaleSettings(**scale),
    )


@contextmanager
def running(settings: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    """Runs an endpoint for the length of the block; yields its address."""
    from ray import serve

    from palo.serve.application import application
    from palo.serve.running import run_application

    port = free_port()
    run_application(application(settings), HOST, port)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        serve.shutdown()


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answered(url: str, bodies: Sequence[dict[str, Any]], num_clients: int) -> list[RequestOutcome]:
    """Asks, and requires that every request is answered.

    Raises:
        RuntimeError: If one isn't: nothing that was measured would mean anything.
    """
    outcomes = ConcurrentClients(url, bodies, num_clients).join()
    if failed := [each.outcome for each in outcomes if not each.is_answered]:
        raise RuntimeError(f"{len(failed)} requests were not answered: {failed[0]}")
    return outcomes


def as_json(settings: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Returns the settings as a Serve file has them."""
    from palo.config import to_dict

    return dict(to_dict(dataclasses.replace(settings)))
