"""Serves finished models: `python jobs/serve.py [FOLDER ...]`, by default the newest run.

Prints the addresses and a fresh API key, and ends with Ctrl-C. Clients call a model by the name of
its run's folder. `--help` lists what can be changed.
"""

import dataclasses
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from palo import command, config
from palo.errors import DataError, PaloError
from palo.security.access import AccessSettings
from palo.security.keys import renew_key
from palo.serve.addresses import require_free
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.session import lasting_path, ray_session

if TYPE_CHECKING:
    from palo.serve.settings import ModelSource, ServeSettings

_RUNS = Path("runs")
_KEY_NAME = "make serve"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeJob:
    """Serves finished models.

    Attributes:
        models: Folders of runs or of finished stages; the newest run by default.
        port: Port to listen on.
        access: Where it listens and who may ask.
        bounds: How much one request may ask for.
        backend: What computes: the built-in engine, or vLLM where it is installed.
        num_slots: Requests that a replica answers at once.
        max_context: Longest prompt with its answer, in tokens; the model's own limit if less.
        replicas: Replicas of each model.
        timeout_s: Seconds that one request may take altogether.
        images: Image store of the models' tower, as building a corpus leaves it (`images-pad`, for
            example): images that are there aren't computed.
        page: Runs the chat page too.
        feedback: Folder for the answers that people found good or bad on the chat page.
    """

    models: Positional[tuple[Path, ...]] = ()
    port: int = 8000
    access: AccessSettings = field(default_factory=AccessSettings)
    bounds: ProtocolBounds = field(default_factory=ProtocolBounds)
    backend: Literal["built-in", "vllm"] = "built-in"
    num_slots: int = 8
    max_context: int = 4096
    replicas: int = 1
    timeout_s: float = 300.0
    images: Path | None = None
    page: bool = True
    feedback: Path = Path("runs/feedback")

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not 1 <= self.port <= 65535:
            yield f"port is {self.port}, it must be from 1 to 65535"


def main(arguments: list[str]) -> None:
    """Starts the endpoint and waits for Ctrl-C."""
    job = command.override(ServeJob(), arguments, "jobs/serve.py")
    config.check(job)
    require_free(job.access.host, job.port)
    folders = job.models or (newest_run(lasting_path(_RUNS)),)
    key_file = lasting_path(job.access.key_file).resolve()
    access = dataclasses.replace(job.access, key_file=key_file)
    # An endpoint has clients that wait: it is no work in the background.
    with ray_session(niceness=0):
        _serve(dataclasses.replace(job, access=access), folders)


def newest_run(runs: Path) -> Path:
    """Returns the folder of the run below a folder whose finetune stage finished last.

    Raises:
        DataError: If there is none.
    """
    finished = {path: path.stat().st_mtime for path in runs.glob("*/finetune/model.json")}
    if not finished:
        raise DataError(
            "there is no finished model to serve yet",
            seen=runs,
            fix="Train one with `make finetune`, or name a folder: make serve MODEL=FOLDER",
        )
    return max(finished, key=lambda path: finished[path]).parent.parent


def _serve(job: ServeJob, folders: Sequence[Path]) -> None:
    from ray import serve

    from palo.serve.application import application
    from palo.serve.running import run_application

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = _settings(job, folders)
    key = None if job.access.no_keys else renew_key(job.access.key_file, _KEY_NAME)[0]
    names = ", ".join(source.name for source in settings.models)
    print(f"loading {names} ...", flush=True)
    run_application(application(settings), job.access.host, job.port)
    _print_addresses(job, settings.models, key)
    try:
        if job.page:
            _run_page(job)
        print("Ctrl-C ends it.", flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print("\nending; answers that have begun are finished first", flush=True)
        serve.shutdown()
        sys.exit(0)


def _settings(job: ServeJob, folders: Sequence[Path]) -> "ServeSettings":
    import torch

    from palo.checkpoint.finished import stage_folder
    from palo.inference.engine import EngineSettings
    from palo.serve.running import PAGE_PATH
    from palo.serve.settings import ModelSource, ReplicaSettings, ScaleSettings, ServeSettings

    has_gpu = torch.cuda.is_available()
    models = tuple(
        ModelSource(
            name=folder.resolve().name,
            folder=stage_folder(folder.resolve()),
            images=job.images.resolve() if job.images else None,
        )
        for folder in folders
    )
    engine = EngineSettings(
        num_slots=job.num_slots, max_context=job.max_context, static_decode=has_gpu
    )
    return ServeSettings(
        models=models,
        access=job.access,
        bounds=job.bounds,
        replica=ReplicaSettings(engine=engine, backend=job.backend),
        scale=ScaleSettings(
            min_replicas=job.replicas,
            max_replicas=job.replicas,
            num_gpus=1.0 if has_gpu else 0.0,
        ),
        timeout_s=job.timeout_s,
        page_path=PAGE_PATH if job.page else None,
    )


def _run_page(job: ServeJob) -> None:
    """Runs the chat page; says so if it can't start, since the endpoint needs none."""
    from palo.client import Endpoint
    from palo.serve.chat_page.settings import PageSettings
    from palo.serve.page_server import page_application
    from palo.serve.running import PAGE_PATH, run_page

    settings = PageSettings(
        # Whatever address it listens on: the way from the page stays within this machine.
        endpoint=Endpoint(url=_address(job), allow_insecure_http=True),
        login=not job.access.no_keys,
        feedback=lasting_path(job.feedback).resolve(),
    )
    try:
        run_page(page_application(settings))
    except PaloError as error:
        print(error, file=sys.stderr, flush=True)
    else:
        print(f"chat page  {_address(job)}{PAGE_PATH}", flush=True)


def _address(job: ServeJob) -> str:
    """Returns where this machine reaches the endpoint."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(job.access.host, job.access.host)  # noqa: S104
    return f"http://[{host}]:{job.port}" if ":" in host else f"http://{host}:{job.port}"


def _print_addresses(job: ServeJob, models: "Sequence[ModelSource]", key: str | None) -> None:
    address = _address(job)
    print(f"models     {', '.join(model.name for model in models)}")
    print(f"endpoint   {address}/v1   for any OpenAI client")
    shown = "none is asked for" if key is None else f"{key}   it is shown only now"
    print(f"API key    {shown}", flush=True)


if __name__ == "__main__":
    command.run_job(main)
