"""Deploys the endpoint and its chat page on the head of a cluster; `ray up` calls it at its end.

    python ~/palo/cluster/start_serving.py                 # again, after a change of serve.yaml

It ends with 0 whatever happens, since a cluster without an endpoint can still train: what went
wrong is a line on the terminal and in serve.log beside this folder.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from palo import storage
from palo.errors import ConfigError, PaloError, ResourceError

_FILE = Path(__file__).with_name("serve.yaml")
_LOOK_EVERY_S = 0.5
_STARTS_S = 120.0
_GETS_READY_S = 180.0
_SHOWN = 300


class ServeClient(Protocol):
    """The part of Ray's `ServeSubmissionClient` that is used."""

    def deploy_applications(self, config: dict[str, Any]) -> None:
        """Deploys applications.

        Args:
            config: What a Serve file holds.
        """

    def get_serve_details(self) -> dict[str, Any]:
        """Returns what runs, and how it fares."""


def start_serving(
    file: Path,
    connect: Callable[[], ServeClient],
    sleep: Callable[[float], None] = time.sleep,
) -> Mapping[str, Any]:
    """Deploys a Serve file, and waits until its applications answer.

    Args:
        file: The Serve file.
        connect: Connects to the dashboard; raises ConnectionError or RuntimeError while it can't.
        sleep: Waits for some seconds.

    Returns:
        What the file holds.

    Raises:
        ConfigError: If the file is no Serve file.
        ResourceError: If Ray doesn't answer, or an application doesn't start.
        StorageError: If the file can't be read.
    """
    values = _read(file)
    client = _connected(connect, sleep)
    try:
        client.deploy_applications(values)
    except RuntimeError as error:
        raise ResourceError(
            "Ray refuses the Serve file", seen=_short(error), fix=f"Correct {file}."
        ) from error
    waits_for = [one["name"] for one in values["applications"]]
    for _ in range(int(_GETS_READY_S / _LOOK_EVERY_S)):
        found = client.get_serve_details().get("applications", {})
        states = {name: found.get(name, {}) for name in waits_for}
        for name, one in states.items():
            if one.get("status") == "DEPLOY_FAILED":
                raise ResourceError(
                    f"the application {name} doesn't start",
                    seen=_short(one.get("message", "")),
                    fix="See `serve status` on the head.",
                )
        kinds = {name: one.get("status") for name, one in states.items()}
        late = [f"{name} is {kind}" for name, kind in kinds.items() if kind != "RUNNING"]
        if not late:
            return values
        sleep(_LOOK_EVERY_S)
    raise ResourceError(
        "the endpoint isn't ready yet",
        seen=", ".join(late),
        fix="It may still come up: see `serve status` on the head.",
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(storage.read_text(file))
        names = [one["name"] for one in values["applications"]]
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{file} is no Serve file", seen=_short(error), fix="Take cluster/serve.yaml."
        ) from error
    if not names:
        raise ConfigError(f"{file} names no application", fix="Take cluster/serve.yaml.")
    found: dict[str, Any] = values
    return found


def _connected(connect: Callable[[], ServeClient], sleep: Callable[[float], None]) -> ServeClient:
    """Connects; the dashboard may need a while after `ray start`."""
    last: Exception | None = None
    for _ in range(int(_STARTS_S / _LOOK_EVERY_S)):
        try:
            return connect()
        except (ConnectionError, RuntimeError) as error:
            last = error
            sleep(_LOOK_EVERY_S)
    raise ResourceError(
        "Ray's dashboard doesn't answer", seen=_short(last), fix="See `ray status` on the head."
    ) from last


def _short(error: object) -> str:
    return " ".join(str(error).split())[-_SHOWN:]


def _say(line: str, log: Path) -> None:
    print(line, flush=True)
    with storage.wrap_os_errors("write", log), log.open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")


def _told(values: Mapping[str, Any]) -> list[str]:
    options = values.get("http_options", {})
    address = f"http://{options.get('host', '127.0.0.1')}:{options.get('port', 8000)}"
    return [
        f"endpoint   {address}/v1 on the head; chat page {address}/chat/",
        "model      the first that a training finishes, and then the newest, by itself",
        "first key  python -m jobs.keys add NAME on the head, or anywhere with its PALO_STORE",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, default=_FILE, help="the Serve file")
    parser.add_argument("--dashboard", default="http://127.0.0.1:8265", help="Ray's dashboard")
    options = parser.parse_args(arguments)
    log = options.file.resolve().parent.parent / "serve.log"

    def connect() -> ServeClient:
        from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

        client: ServeClient = ServeSubmissionClient(options.dashboard)
        return client

    try:
        for line in _told(start_serving(options.file, connect)):
            _say(line, log)
    except PaloError as error:
        _say(
            f"warning: {error} The cluster runs without the endpoint; try again: "
            f"python {Path(__file__).resolve()} --dashboard {options.dashboard}; log: {log}",
            log,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
