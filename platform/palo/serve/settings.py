"""Settings of the endpoint: its models, access, bounds, replicas and scale."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from palo.inference.engine import EngineSettings
from palo.security.access import AccessSettings
from palo.security.http_limits import BodyBounds
from palo.serve.decoder_pool import ImageRules
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.serve.upstream import UpstreamSource

# Never `//host`, which browsers take for another server, and never `/` itself.
_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+/?")


Backend = Literal["built-in", "vllm"]
"""What computes: the built-in engine, or vLLM where it is installed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSource:
    """A model to serve.

    Attributes:
        name: Its name for clients.
        folder: Folder of a finished stage.
        images: Image store with features of its vision tower, as corpus builds write it: features
            of stored images aren't computed again. None computes all.
    """

    name: str
    folder: Path
    images: Path | None = None


NEWEST = "newest"
"""Stands for the newest finished run, where runs to follow are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowSettings:
    """Runs of the store that an endpoint follows: each is served when it is finished.

    Attributes:
        runs: Names of runs, or `NEWEST`.
        name: Name of the newest run's model for clients; it stays while the runs change.
        look_every_s: Seconds between two looks at the store.
    """

    runs: tuple[str, ...] = (NEWEST,)
    name: str = "palo"
    look_every_s: float = 15.0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        names = [self.model_of(run) for run in self.runs]
        if not names or len(set(names)) < len(names):
            yield f"runs are {self.runs}, name at least one, and each once"
        if any(not name or "/" in name for name in names):
            yield f"runs are {self.runs}, they must be names of folders in the store's runs/"
        if self.look_every_s <= 0:
            yield f"look_every_s is {self.look_every_s}, it must be above 0"

    def model_of(self, run: str) -> str:
        """Returns the name of a run's model for clients.

        Args:
            run: One of `runs`.
        """
        return self.name if run == NEWEST else run


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaSettings:
    """Settings of each replica.

    Attributes:
        engine: Sizes of its engine.
        backend: The built-in engine, or vLLM where it is installed.
        images: Bounds and sources of images.
        feature_cache_bytes: Memory for image features.
        num_threads: Threads of one operation on a CPU; more than one only helps on idle cores.
    """

    engine: EngineSettings = field(default_factory=EngineSettings)
    backend: Backend = "built-in"
    images: ImageRules = field(default_factory=ImageRules)
    feature_cache_bytes: int = 256 * 2**20
    num_threads: int = 1

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.feature_cache_bytes < 0:
            yield f"feature_cache_bytes is {self.feature_cache_bytes}, it can't be negative"
        if self.num_threads < 1:
            yield f"num_threads is {self.num_threads}, it must be at least 1"

    @property
    def capacity(self) -> int:
        """Most requests that it answers or queues."""
        return self.engine.num_slots + self.engine.max_waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleSettings:
    """Number of replicas of each model, and their resources.

    Attributes:
        min_replicas: Replicas that always run.
        max_replicas: Most replicas under load.
        num_spares: Replicas beyond these, which answer like all others and take over where one is
            lost. They start half a minute after the first ones.
        num_cpus: Logical CPUs of a replica.
        num_gpus: GPUs of a replica.
        idle_s: Seconds of low load after which a replica is removed.
        drain_s: Seconds for a replica to finish its answers before it is stopped.
        max_queued: Requests that may wait in the ingress while all replicas are full.
        node_labels: Labels that the nodes of replicas must have, such as palo-role serve.
        by_image: Sends questions about one image to the replica that holds it; False for Ray
            Serve's own choice, the less busy one of two.
    """

    min_replicas: int = 1
    max_replicas: int = 1
    num_spares: int = 0
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    idle_s: float = 600.0
    drain_s: float = 300.0
    max_queued: int = 64
    node_labels: Mapping[str, str] = field(default_factory=dict)
    by_image: bool = True

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not 1 <= self.min_replicas <= self.max_replicas:
            yield (
                f"min_replicas is {self.min_replicas}, it must be at least 1 and at most "
                f"max_replicas, {self.max_replicas}"
            )
        for name in ("num_spares", "num_cpus", "num_gpus", "idle_s", "drain_s"):
            if getattr(self, name) < 0:
                yield f"{name} is {getattr(self, name)}, it can't be negative"
        if self.max_queued < 1:
            yield f"max_queued is {self.max_queued}, it must be at least 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeSettings:
    """Settings of an endpoint.

    Attributes:
        models: Its models, if they are fixed.
        follow: Runs of the store that it serves instead, as they are finished.
        upstreams: Models of other servers, which it passes requests on to.
        access: Listening address and authentication.
        bounds: Bounds of a request's parameters.
        bodies: Bounds of a request's body.
        replica: Settings of each replica.
        scale: Number of replicas and their resources.
        timeout_s: Seconds that one request may take.
        restart_wait_s: Seconds that a request waits while no replica of its model runs; then it is
            told to come back.
        max_requests: Most requests in the ingress at once; more are rejected as overload.
        log_contents: Logs questions and answers too; images never.
        page_path: Path of the chat page, an application of its own on the same address, to which
            `/` redirects. None for an endpoint without a page.
    """

    models: tuple[ModelSource, ...] = ()
    follow: FollowSettings | None = None
    upstreams: tuple[UpstreamSource, ...] = ()
    access: AccessSettings = field(default_factory=AccessSettings)
    bounds: ProtocolBounds = field(default_factory=ProtocolBounds)
    bodies: BodyBounds = field(default_factory=BodyBounds)
    replica: ReplicaSettings = field(default_factory=ReplicaSettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)
    timeout_s: float = 300.0
    restart_wait_s: float = 8.0
    max_requests: int = 256
    log_contents: bool = False
    page_path: str | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.models and self.follow is not None:
            yield "it has models or follows runs: name one of the two"
        elif not self.models and self.follow is None and not self.upstreams:
            yield "it has no models and follows no runs: name at least one"
        names = [model.name for model in self.models]
        names += [model.name for model in self.upstreams]
        if self.follow is not None:
            names += map(self.follow.model_of, self.follow.runs)
        if self.upstreams and len(set(names)) < len(names):
            yield f"models and upstreams have the names {', '.join(names)}, each must be one's own"
        if self.timeout_s <= 0:
            yield f"timeout_s is {self.timeout_s}, it must be above 0"
        if self.max_requests < 1:
            yield f"max_requests is {self.max_requests}, it must be at least 1"
        if self.replica.backend == "vllm" and not self.scale.num_gpus:
            yield "replica.backend vllm needs scale.num_gpus of 1 or more"
        if self.page_path is not None and not _PATH.fullmatch(self.page_path):
            yield f"page_path is {self.page_path!r}, it must be a path like /chat/"
