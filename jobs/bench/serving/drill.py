"""A drill for the endpoint: `python jobs/bench/serving/drill.py MODEL [--field value ...]`.

Clients stream answers without a pause while replicas are killed, added, taken away and replaced by
another version of the model. Every request must end in a whole answer or an error with a code, and
none that begins after the change of version may be answered by the old one.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
from tyro.conf import Positional

from palo import command, config
from palo.session import ray_session

_HOST = "127.0.0.1"
_PORT = 8123
_WAIT_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Drill:
    """What the drill does.

    Attributes:
        model: Folder of a finished stage.
        num_requests: Requests altogether.
        num_clients: Requests at once.
        max_tokens: Most tokens of an answer.
        num_kills: Replicas that are killed.
    """

    model: Positional[Path]
    num_requests: int = 200
    num_clients: int = 8
    max_tokens: int = 48
    num_kills: int = 2

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("num_requests", "num_clients", "max_tokens"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, it must be at least 1"


class Clients:
    """Threads that ask, one request after the other.

    Args:
        drill: How much.

    Attributes:
        outcomes: How requests ended.
        versions: For each answer the time at which it was asked for, and the version it came from.
    """

    def __init__(self, drill: Drill) -> None:
        self.outcomes: Counter[str] = Counter()
        self.versions: list[tuple[float, str]] = []
        self._drill = drill
        self._lock = threading.Lock()
        self._num_asked = 0
        self._threads = [threading.Thread(target=self._run) for _ in range(drill.num_clients)]
        for thread in self._threads:
            thread.start()

    @property
    def num_ended(self) -> int:
        """Requests that have ended, somehow."""
        return sum(self.outcomes.values())

    def wait(self, share: float = 1.0) -> None:
        """Waits until a share of the requests has ended."""
        while self.num_ended < share * self._drill.num_requests:
            time.sleep(0.05)

    def _run(self) -> None:
        with httpx.Client(base_url=f"http://{_HOST}:{_PORT}", timeout=_WAIT_S) as client:
            while (number := self._next()) is not None:
                outcome = self._ask(client, number)
                with self._lock:
                    self.outcomes[outcome] += 1

    def _next(self) -> int | None:
        with self._lock:
            if self._num_asked == self._drill.num_requests:
                return None
            self._num_asked += 1
            return self._num_asked

    def _ask(self, client: httpx.Client, number: int) -> str:
        body = {
            "model": "drill",
            "messages": [{"role": "user", "content": f"What is number {number}?"}],
            "max_tokens": self._drill.max_tokens,
            "stream": True,
        }
        asked_at = time.monotonic()
        finished, is_done = False, False
        try:
            with client.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.status_code != 200:
                    error = orjson.loads(response.read()).get("error", {})
                    return f"refused: {error['code']}"
                for line in response.iter_lines():
                    is_done = is_done or line == "data: [DONE]"
                    if not line.startswith("data: {"):
                        continue
                    values = orjson.loads(line.removeprefix("data: "))
                    if "error" in values:
                        return f"told in the stream: {values['error']['code']}"
                    if any(choice["finish_reason"] for choice in values["choices"]):
                        finished = True
                        with self._lock:
                            self.versions.append((asked_at, values["system_fingerprint"]))
        except (httpx.HTTPError, KeyError, ValueError) as error:
            return f"LOST: {type(error).__name__}"
        return "answered" if finished and is_done else "LOST: cut off"


def main(arguments: list[str]) -> None:
    """Runs the drill and prints how requests ended."""
    drill = command.override(Drill(model=Path()), arguments, "jobs/bench/serving/drill.py")
    config.check(drill)
    with tempfile.TemporaryDirectory() as folder, ray_session(num_cpus=4):
        clients, rolled_at = _run(drill, Path(folder))
    for outcome, count in clients.outcomes.most_common():
        print(f"{count:5d}  {outcome}")
    late = [version for asked_at, version in clients.versions if asked_at > rolled_at]
    _, first_version = min(clients.versions)
    old = late.count(first_version)
    print(f"{len(late):5d}  answers asked for after the roll, {old} of them of the old version")
    if not late:
        print("no answer was asked for after the roll: ask for more requests")
    lost = sum(count for outcome, count in clients.outcomes.items() if "LOST" in outcome)
    sys.exit(1 if lost or old or not late or clients.num_ended != drill.num_requests else 0)


def _run(drill: Drill, folder: Path) -> tuple[Clients, float]:
    from ray import serve

    from palo.serve.loading import stage_folder

    first = stage_folder(drill.model.resolve())
    second = _another_version(first, folder)
    _deploy(first, num_replicas=2)
    clients = Clients(drill)
    for number in range(drill.num_kills):
        clients.wait(0.1 + 0.15 * number)
        _say(clients, "kill a replica")
        _kill_one()
    for share, num_replicas in ((0.45, 1), (0.55, 2), (0.65, 1)):
        clients.wait(share)
        _say(clients, f"scale to {num_replicas}")
        _deploy(first, num_replicas=num_replicas)
    clients.wait(0.7)
    _say(clients, "roll to another version")
    _deploy(second, num_replicas=1)
    rolled_at = time.monotonic()
    _say(clients, "rolled")
    clients.wait()
    serve.shutdown()
    return clients, rolled_at


def _say(clients: Clients, what: str) -> None:
    print(f"{clients.num_ended:5d} have ended: {what}", flush=True)


def _another_version(stage: Path, folder: Path) -> Path:
    """Copies a stage; a number in its description makes it another version of the same weights."""
    from palo import storage

    copy = folder / "second"
    shutil.copytree(stage, copy, ignore=shutil.ignore_patterns("checkpoints"))
    values = storage.read_json(copy / "model.json")
    storage.write_json(copy / "model.json", dict(reversed(values.items())))
    return copy


def _deploy(stage: Path, num_replicas: int) -> None:
    from palo.serve.application import application
    from palo.serve.engine.settings import EngineSettings
    from palo.serve.guard.access import AccessSettings
    from palo.serve.loading import ModelSource
    from palo.serve.replica import ReplicaSettings
    from palo.serve.running import run_application
    from palo.serve.settings import ScaleSettings, ServeSettings

    engine = EngineSettings(num_slots=4, max_context=512)
    settings = ServeSettings(
        models=(ModelSource(name="drill", folder=stage),),
        access=AccessSettings(host=_HOST, no_keys=True),
        replica=ReplicaSettings(engine=engine),
        scale=ScaleSettings(min_replicas=num_replicas, max_replicas=num_replicas),
    )
    run_application(application(settings), _HOST, _PORT)


def _kill_one() -> None:
    from ray import serve

    handle = serve.get_deployment_handle("model-drill", "palo")
    os.kill(handle.process_id.remote().result(), signal.SIGKILL)


if __name__ == "__main__":
    command.run_job(main)
