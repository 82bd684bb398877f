"""Serves finished models: `python jobs/serve.py [FOLDER ...]`, by default the newest run.

Prints the addresses and a fresh API key, and ends with Ctrl-C. Clients call a model by the name of
its run's folder. `--help` lists what can be changed.
"""

import contextlib
import dataclasses
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from palo import command, config
from palo.checkpoint.finished import newest_run
from palo.errors import ConfigError, PaloError, ResourceError
from palo.security.access import AccessSettings
from palo.security.keys import renew_key
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.serve.settings import ModelSource, ReplicaSettings, ScaleSettings, ServeSettings
from palo.session import ray_session
from palo.store import RUNS, found_path, lasting_path

_KEY_NAME = "make serve"
_END_S = 5.0
_MOST_END_S = _END_S + 3.0
_SMALL_BYTES = 256 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeJob:
    """Serves finished models.

    Attributes:
        models: Folders of runs or of finished stages, or any checkpoints that can be imported; the
            newest run by default.
        port: Port to listen on.
        access: Listening address and authentication.
        bounds: Bounds of a request's parameters.
        replica: Settings of each replica.
        num_replicas: Replicas of each model.
        num_spares: Replicas beyond these, which take over where one is lost. None for one where it
            costs little: without a GPU, with small models, and with a core for each replica.
        timeout_s: Seconds that one request may take.
        restart_wait_s: Seconds that a request waits while no replica of its model runs; then it is
            told to come back.
        images: Image store of the models' vision tower, or the folder `images` of corpora with such
            stores: features of stored images aren't computed again.
        page: Runs the chat page too.
        feedback: Folder for feedback on answers of the chat page.
    """

    models: Positional[tuple[Path, ...]] = ()
    port: int = 8000
    access: AccessSettings = field(default_factory=AccessSettings)
    bounds: ProtocolBounds = field(default_factory=ProtocolBounds)
    replica: ReplicaSettings = field(default_factory=ReplicaSettings)
    num_replicas: int = 1
    num_spares: int | None = None
    timeout_s: float = 300.0
    restart_wait_s: float = 8.0
    images: Path | None = None
    page: bool = True
    feedback: Path = Path("runs/feedback")

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not 1 <= self.port <= 65535:
            yield f"port is {self.port}, it must be from 1 to 65535"


def main(arguments: list[str]) -> None:
    """Starts the endpoint and waits for Ctrl-C.

    Args:
        arguments: The command line.
    """
    job = command.override(ServeJob(), arguments, "jobs/serve.py")
    config.check(job)
    _require_free(job.access.host, job.port)
    named = tuple(found_path(folder) for folder in job.models)
    folders = named or (newest_run(lasting_path(RUNS)),)
    models = _open_models(folders)
    key_file = lasting_path(job.access.key_file).resolve()
    access = dataclasses.replace(job.access, key_file=key_file)
    # Clients wait for an endpoint, so it is no background work.
    with ray_session(niceness=0):
        _serve(dataclasses.replace(job, access=access), models)


def _require_free(host: str, port: int) -> None:
    """Checks the address before anything is loaded.

    Raises:
        ResourceError: If it is in use, or not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ResourceError(
                "can't listen on this address",
                seen=f"{host}:{port}, {error.strerror}",
                fix="Choose another port with --port.",
            ) from error


def _open_models(folders: Sequence[Path]) -> dict[str, Path]:
    """Checks the folders before Ray is started, and imports what isn't ours.

    Returns:
        The folder of each model's stage by the model's name, that of the folder that was named.

    Raises:
        ConfigError: If two have one name.
        DataError: If a folder holds no model, or a pretrained part is missing.
    """
    from palo.checkpoint.finished import describe_stage, require_parts
    from palo.checkpoint.importing import open_shared_model

    models: dict[str, Path] = {}
    for folder in folders:
        stage = open_shared_model(folder.resolve())
        require_parts(describe_stage(stage))
        name = folder.resolve().name
        if name in models:
            raise ConfigError(
                "two models have one name", seen=name, fix="Give their folders different names."
            )
        models[name] = stage
    return models


def _serve(job: ServeJob, stages: Mapping[str, Path]) -> None:
    from palo.serve.application import application
    from palo.serve.running import run_application

    settings = _settings(job, stages)
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
        _end()


def _end() -> None:
    """Ends the endpoint; a second Ctrl-C ends it at once."""
    from palo.serve.running import end_applications

    print(f"\nending; answers that have begun get up to {_END_S:.0f} s", flush=True)
    # A thread, since calls to a Ray that was ended by the same signal wait for it for a minute.
    ending = threading.Thread(target=end_applications, args=(_END_S,), daemon=True)
    ending.start()
    with contextlib.suppress(KeyboardInterrupt):
        ending.join(_MOST_END_S)
    sys.exit(0)


def _settings(job: ServeJob, stages: Mapping[str, Path]) -> ServeSettings:
    from palo.serve.running import PAGE_PATH

    has_gpu = _has_gpu()
    models = tuple(
        ModelSource(name=name, folder=stage, images=job.images.resolve() if job.images else None)
        for name, stage in stages.items()
    )
    static_decode = has_gpu or job.replica.engine.static_decode
    engine = dataclasses.replace(job.replica.engine, static_decode=static_decode)
    return ServeSettings(
        models=models,
        access=job.access,
        bounds=job.bounds,
        replica=dataclasses.replace(job.replica, engine=engine),
        scale=ScaleSettings(
            min_replicas=job.num_replicas,
            max_replicas=job.num_replicas,
            num_spares=_num_spares(job, list(stages.values()), has_gpu=has_gpu),
            num_gpus=1.0 if has_gpu else 0.0,
        ),
        timeout_s=job.timeout_s,
        restart_wait_s=job.restart_wait_s,
        page_path=PAGE_PATH if job.page else None,
    )


def _has_gpu() -> bool:
    """Returns whether torch sees a GPU. Without a driver, it needn't be loaded for that."""
    if not any(Path(driver).exists() for driver in ("/dev/nvidiactl", "/dev/dxg")):
        return False
    import torch

    return torch.cuda.is_available()


def _num_spares(job: ServeJob, folders: Sequence[Path], *, has_gpu: bool) -> int:
    from palo.checkpoint.finished import describe_stage

    if job.num_spares is not None:
        return job.num_spares
    has_cores = (os.cpu_count() or 1) >= len(folders) * (job.num_replicas + 1)
    if has_gpu or not has_cores:
        return 0
    stages = [describe_stage(folder) for folder in folders]
    sizes = [
        weights.stat().st_size
        for stage in stages
        for weights in stage.parts.language_model.glob("*.safetensors")
    ]
    return int(sum(sizes) <= _SMALL_BYTES)


def _run_page(job: ServeJob) -> None:
    """Runs the chat page; if it can't start, prints the error, since the endpoint needs no page."""
    from palo.client import Endpoint
    from palo.serve.chat_page.settings import PageSettings
    from palo.serve.page_server import page_application
    from palo.serve.running import PAGE_PATH, run_page

    settings = PageSettings(
        # The page reaches the endpoint within this machine, whatever address it listens on.
        endpoint=Endpoint(url=_address(job), allow_insecure_http=True),
        login=not job.access.no_keys,
        proxy=job.access.proxy,
        feedback=lasting_path(job.feedback).resolve(),
    )
    try:
        run_page(page_application(settings))
    except PaloError as error:
        print(error, file=sys.stderr, flush=True)
    else:
        public = job.access.proxy.public_url.rstrip("/")
        print(f"chat page  {public or _address(job)}{PAGE_PATH}", flush=True)


def _address(job: ServeJob) -> str:
    """Returns the endpoint's address on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(job.access.host, job.access.host)  # noqa: S104
    return f"http://[{host}]:{job.port}" if ":" in host else f"http://{host}:{job.port}"


def _print_addresses(job: ServeJob, models: Sequence[ModelSource], key: str | None) -> None:
    address = _address(job)
    print(f"models     {', '.join(model.name for model in models)}")
    print(f"endpoint   {address}/v1   for any OpenAI client")
    if public := job.access.proxy.public_url.rstrip("/"):
        print(f"           {public}/v1   behind the proxy")
    shown = "none is asked for" if key is None else f"{key}   it is shown only now"
    print(f"API key    {shown}", flush=True)


if __name__ == "__main__":
    command.run_job(main)
