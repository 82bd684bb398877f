"""A drill: clients ask without a pause while replicas are killed, added, taken away and replaced.

Every request must end in a whole answer or an error with a code, and none that begins after the
change of version may be answered by the old one. Deploying goes the way of `serve deploy`, which
changes the number of replicas without replacing any.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from resuming import say
from serving.clients import ConcurrentClients, RequestOutcome, request_body
from serving.endpoint import (
    HOST,
    MODEL,
    as_json,
    bench_session,
    free_port,
    serve_settings,
)
from serving.settings import ServeBench
from serving.stage import nano_stage

from palo.benchmark import Figure, spread
from palo.inference.engine import EngineSettings

_NUM_CLIENTS = 8
_MAX_TOKENS = 48
_LOOK_EVERY_S = 0.2
_NUM_SLOTS = 4
_MAX_CONTEXT = 512
_DRAIN_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """What is deployed.

    Attributes:
        stage: Folder of the model.
        num_replicas: Its replicas.
    """

    stage: Path
    num_replicas: int


def run_drill(settings: ServeBench, root: Path) -> list[Figure]:
    """Runs the drill and prints how requests ended.

    Args:
        settings: The bench's.
        root: The checkout.
    """
    folder = (settings.cache / "nano").resolve()
    first, second = (nano_stage(folder, name) for name in ("first", "second"))
    with bench_session(root):
        outcomes, rolled_s = _run(settings, first, second, root)
    for outcome, number in Counter(each.outcome for each in outcomes).most_common():
        say(f"{number:5d}  {outcome}")
    return _figures(outcomes, rolled_s)


def _run(
    settings: ServeBench, first: Path, second: Path, root: Path
) -> tuple[list[RequestOutcome], float]:
    from ray import serve

    from palo.serve.running import start_proxy

    port = free_port()
    start_proxy(HOST, port)
    _deploy(Deployment(stage=first, num_replicas=1), root)
    bodies = (request_body(MODEL, f"What is number {number}?", _MAX_TOKENS) for number in count())
    clients = ConcurrentClients(f"http://{HOST}:{port}", bodies, _NUM_CLIENTS)
    one, two = (Deployment(stage=first, num_replicas=number) for number in (1, 2))
    rolled = Deployment(stage=second, num_replicas=1)
    events: list[tuple[str, Callable[[], None]]] = [
        ("kill a replica", _kill_one),
        ("scale to 2", lambda: _deploy(two, root)),
        *[("kill a replica", _kill_one)] * (settings.drill_kills - 1),
        ("scale to 1", lambda: _deploy(one, root)),
        ("roll to another version", lambda: _deploy(rolled, root)),
    ]
    between = -(-settings.drill_requests // (len(events) + 1))
    for what, event in events:
        clients.wait(len(clients.outcomes) + between)
        say(f"{len(clients.outcomes):5d} have ended: {what}")
        event()
    rolled_s = time.monotonic()
    say(f"{len(clients.outcomes):5d} have ended: rolled")
    clients.wait(len(clients.outcomes) + between)
    clients.stop()
    outcomes = clients.join()
    serve.shutdown()
    return outcomes, rolled_s


def _figures(outcomes: Sequence[RequestOutcome], rolled_s: float) -> list[Figure]:
    lost = sum(each.is_lost for each in outcomes)
    late = [each.version for each in outcomes if each.sent_s > rolled_s and each.is_answered]
    first_version = min(outcomes, key=lambda each: each.sent_s if each.version else float("inf"))
    old = late.count(first_version.version)
    answered = sum(each.is_answered for each in outcomes)
    return [
        spread("drill_answered", [answered], "requests"),
        spread("drill_errors_with_a_code", [len(outcomes) - answered - lost], "requests"),
        spread("drill_lost", [lost], "requests", target=0, better="lower"),
        spread("drill_answered_after_the_roll", [len(late)], "requests", target=1, better="higher"),
        spread("drill_old_version_after_the_roll", [old], "requests", target=0, better="lower"),
    ]


def _deploy(wanted: Deployment, root: Path) -> None:
    """Deploys, and waits until exactly what is wanted answers."""
    from ray import serve
    from ray.serve.context import _get_global_client

    before = serve.status().applications.get("palo")
    _get_global_client().deploy_apps(_serve_file(wanted, root))
    deployed_s = before.last_deployed_time_s if before else 0.0
    while True:
        now = serve.status().applications["palo"]
        if now.status in ("DEPLOY_FAILED", "UNHEALTHY"):
            raise RuntimeError(f"the endpoint is {now.status}: {now.message}")
        if now.status == "RUNNING" and now.last_deployed_time_s > deployed_s:
            replicas = now.deployments[f"model-{MODEL}"].replica_states
            if replicas.get("RUNNING") == wanted.num_replicas and len(replicas) == 1:
                return
        time.sleep(_LOOK_EVERY_S)


def _serve_file(wanted: Deployment, root: Path) -> Any:  # noqa: ANN401 - a class of Ray Serve's
    from ray.serve.schema import ServeDeploySchema

    engine = EngineSettings(num_slots=_NUM_SLOTS, max_context=_MAX_CONTEXT)
    scale = {"drain_s": _DRAIN_S, "max_replicas": 2}
    settings = serve_settings(wanted.stage, {"engine": engine}, scale)
    numbers = {"min_replicas": wanted.num_replicas, "max_replicas": wanted.num_replicas}
    application = {
        "name": "palo",
        "route_prefix": "/",
        "import_path": "apps.chat_api:build",
        "runtime_env": {"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}},
        "args": as_json(settings),
        "deployments": [{"name": f"model-{MODEL}", "autoscaling_config": numbers}],
    }
    return ServeDeploySchema.model_validate({"applications": [application]})


def _kill_one() -> None:
    from ray import serve

    handle = serve.get_deployment_handle(f"model-{MODEL}", "palo")
    os.kill(handle.process_id.remote().result(), signal.SIGKILL)
