"""The Ray of a job: the running cluster if there is one, else a private Ray on this machine."""

import hashlib
import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from palo import storage
from palo.account import cache_folder, is_writable
from palo.capacity import WAIT_S, RayCluster, Share, await_capacity
from palo.errors import ConfigError
from palo.language_files import SETTING as LANGUAGES
from palo.ray_start import be_patient, cluster_ray, private_ray, unreachable
from palo.sharing import MARKS, check_nodes, mark_folders
from palo.store import STORE, store_root

_LEAST_OBJECT_STORE_BYTES = 300 << 20
_OBJECT_STORE_SHARE = 80  # of the machine's memory, one part; decoded images wait in it
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Ray keeps it
_ANSWER_TIMEOUT_S = 5.0
_JOB_SETTINGS = "RAY_JOB_CONFIG_JSON_ENV_VAR"
_HANDED_ON = (
    STORE,
    LANGUAGES,
    MARKS,
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "PALO_S3_ATTEMPTS",
    "PALO_S3_TIMEOUT_S",
)
_QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray's core reports each actor pool of Ray Data as an error, for a restart that may fail.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    # A thread that still asks Ray something when the session ends would start another one.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1.0",  # each look costs CPU time that training lacks
    "LOG_NAME_UPDATE_INTERVAL_S": "5",  # of Ray's log monitor, likewise
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_PRIVATE = {
    "RAY_AUTH_MODE": "token",
    # The name is older than what it does: without clusters Ray uses the loopback interface alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "GLOO_SOCKET_IFNAME": "lo",
    # It looks for nodes that will be taken away, which this machine won't.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


@contextmanager
def ray_session(
    num_cpus: int | None = None, niceness: int | None = None, shared: Sequence[Path] = ()
) -> Iterator[None]:
    """Connects to the cluster of `RAY_ADDRESS`, or runs a private Ray for the length of the block.

    A private Ray has a fresh token of its own, so that neither an old token on this machine nor
    anybody else on it matters, listens on the loopback interface alone, keeps its sockets, logs and
    spilled objects in a folder that no other user may enter, and has no dashboard. It is shut down
    at the end; its folder stays only if the block failed, for the logs in it. On a busy machine it
    is waited for, and started again.

    Args:
        num_cpus: Logical CPUs of a private Ray; the machine's own number by default.
        niceness: Of a private Ray's workers; by default Ray's own, 15, which leaves the machine to
            whoever works at it.
        shared: Folders that all nodes of a cluster must see; its store is always among them.

    Raises:
        ConfigError: If `RAY_ADDRESS` is no address of a cluster, or the store's setting is wrong.
        ResourceError: If the cluster of `RAY_ADDRESS` can't be reached, or Ray doesn't start.
        StorageError: If a node doesn't see a shared folder.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    be_patient()
    keep_extensions_apart()
    if shutil.which("nvidia-smi") is None:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed warns wherever it is loaded
    address = _cluster_address()
    if address is None and "ray" not in sys.modules:
        keep_ray_private()
        if niceness is not None:
            os.environ["RAY_worker_niceness"] = str(niceness)  # noqa: SIM112 - Ray's own name
    elif address is not None:
        _require_answer(address)
    import ray

    if ray.is_initialized():
        yield
    elif address is None:
        with private_ray(_private_settings(num_cpus)):
            yield
    else:
        marks = mark_shared(shared)
        with cluster_ray(address, _cluster_settings()):
            check_nodes(marks)
            yield


def mark_shared(shared: Sequence[Path] = ()) -> dict[str, str]:
    """Marks the store and other folders, and has the workers of this process look for the marks.

    Args:
        shared: The other folders.

    Returns:
        The mark of each folder, by its path.

    Raises:
        ConfigError: If the store's setting is wrong.
        StorageError: If a folder can't be written.
    """
    marks = mark_folders(_roots(shared))
    os.environ.pop(MARKS, None)
    if marks:
        os.environ[MARKS] = json.dumps(marks)
    return marks


def _cluster_address() -> str | None:
    """Returns the address of the cluster to join; None for a private Ray.

    Raises:
        ConfigError: If RAY_ADDRESS is the address of something else.
    """
    address = os.environ.get("RAY_ADDRESS", "").strip()
    if address in ("", "local"):
        return None
    scheme, found, _ = address.partition("://")
    if found and scheme != "ray":
        raise ConfigError(
            "RAY_ADDRESS is no address of a Ray cluster",
            seen=address,
            fix="Write host:port with the port of `ray start` (6379), or unset it for a private "
            "Ray. A dashboard's address (http) is for `ray job submit --address`.",
        )
    return address


def keep_ray_private() -> None:
    """Has a private Ray ask for a fresh token and listen on loopback; Ray reads that on import."""
    os.environ |= _PRIVATE | {"RAY_AUTH_TOKEN": secrets.token_hex(16)}


def worker_share(num_workers: int, purpose: str) -> dict[str, float]:
    """Returns what each of some equal workers gets: a CPU, and a GPU if there is one for each.

    A cluster is waited for until it has enough; one that is scaled down may grow to enough GPUs.

    Args:
        num_workers: How many.
        purpose: What they do, as a verb, for the error.

    Raises:
        ResourceError: If a private Ray has fewer CPUs than workers, or a cluster stays so small.
    """
    fix = "Ask for fewer workers, or add nodes."
    cluster = RayCluster()
    share = Share(workers=f"workers that {purpose}", count=num_workers)
    on_gpus = replace(share, gpus=1.0)
    if sum(node.holds(on_gpus) for node in cluster.nodes()) >= num_workers:
        return {"num_cpus": 1, "num_gpus": 1}
    if cluster.can_grow and cluster.most().get("GPU", 0.0) >= num_workers:
        await_capacity(on_gpus, cluster, WAIT_S, _say, fix)
        return {"num_cpus": 1, "num_gpus": 1}
    await_capacity(share, cluster, WAIT_S, _say, fix)
    return {"num_cpus": 1}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def keep_extensions_apart() -> None:
    """Keeps what torch compiles with the virtual environment that it was compiled for.

    In torch's own folder, which all environments of a user share, two of them compile the same
    extension again and again, each for its own headers. Where the environment can't be written, as
    in an installation that several users share, a folder of the user's cache stands for it.
    """
    if sys.prefix == sys.base_prefix or "TORCH_EXTENSIONS_DIR" in os.environ:
        return
    folder = Path(sys.prefix) / "torch_extensions"
    if not is_writable(folder):
        name = hashlib.sha256(sys.prefix.encode()).hexdigest()[:12]
        folder = cache_folder() / "torch_extensions" / name
    os.environ["TORCH_EXTENSIONS_DIR"] = str(folder)


def _require_answer(address: str) -> None:
    """Tries the head's port first: Ray itself would wait for minutes.

    Raises:
        ResourceError: If nothing listens there.
    """
    host, _, port = address.rpartition(":")
    if not host or "://" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_TIMEOUT_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise unreachable(address, error) from error


def _roots(shared: Sequence[Path]) -> list[Path]:
    """Returns the folders to look for on nodes: what lies in the store is seen with it."""
    root = store_root()
    folders = [] if root is None else [root]
    for folder in shared:
        if not any(storage.lies_within(folder, other) for other in folders):
            folders.append(folder.absolute())
    return folders


def worker_settings() -> dict[str, str]:
    """Returns this process's settings of storage, which its workers on a cluster need, too.

    Credentials are not among them: Ray's dashboard shows such settings.
    """
    return {name: os.environ[name] for name in _HANDED_ON if name in os.environ}


def submission_id() -> str:
    """Returns the id of this job at a cluster's job server; empty if it wasn't submitted."""
    metadata = json.loads(os.environ.get(_JOB_SETTINGS, "{}")).get("metadata") or {}
    return str(metadata.get("job_submission_id", ""))


def _cluster_settings() -> dict[str, object]:
    """Returns the arguments of `ray.init` that hand this process's settings to its workers.

    Raises:
        ConfigError: If the job was submitted with another store.
    """
    job = json.loads(os.environ.get(_JOB_SETTINGS, "{}")).get("runtime_env") or {}
    given = job.get("env_vars") or {}  # Ray rejects duplicates
    wanted = worker_settings()
    if STORE in given and given[STORE] != wanted.get(STORE):
        raise ConfigError(
            "the job was submitted with another store than its command names",
            seen=f"{given[STORE]} and {wanted.get(STORE)}",
            fix="Name one, with --store of jobs/submit.py.",
        )
    handed = {name: value for name, value in wanted.items() if name not in given}
    return {"runtime_env": {"env_vars": handed}} if handed else {}


def _private_settings(num_cpus: int | None) -> dict[str, object]:
    return {
        "num_cpus": num_cpus or os.cpu_count(),
        "include_dashboard": False,
        "object_store_memory": _object_store_bytes(),
    }


def _object_store_bytes() -> int:
    """Returns room for what waits between steps: more where GPUs have much memory beside them."""
    share = psutil.virtual_memory().total // _OBJECT_STORE_SHARE
    free = shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.is_dir() else 0
    return max(_LEAST_OBJECT_STORE_BYTES, min(share, free // 2))
