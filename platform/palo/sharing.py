"""Proof that all machines of a cluster see the same folders, before work begins on them.

A folder that was named on one machine may be another one elsewhere, and a machine may lack the
credentials of a bucket. So each folder gets a mark, a number that nobody can guess, and each
machine reads it: at the start those that are up, and each worker process before its first task,
since machines join later.
"""

import functools
import json
import os
import platform
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from palo import storage
from palo.errors import PaloError, ResourceError, StorageError
from palo.storage import S3Path
from palo.storage.conditional import write_if

MARKS = "PALO_SHARED_FOLDERS"
"""Environment variable of workers: the marks of folders that they must see, as JSON."""
_MARK = ".palo-folder"
# A network file system may show a file to other machines some seconds late.
_WAIT_S = 20.0
_LOOK_EVERY_S = 0.5
_NODE_S = 180.0
_MARK_BYTES = 1 << 10


def mark_folders(folders: Iterable[Path]) -> dict[str, str]:
    """Makes folders, and gives each a mark that stays.

    Args:
        folders: The folders.

    Returns:
        The mark of each, by its path.

    Raises:
        StorageError: If one can't be written.
    """
    return {str(folder): _mark(storage.ensure_folder(folder)) for folder in folders}


def _mark(folder: Path) -> str:
    path = folder / _MARK
    if (mark := _seen(path)) is None:
        _create(path, secrets.token_hex(16))
        mark = _seen(path)
    if mark is None:
        raise StorageError(
            "a file that was written can't be read", seen=path, fix="Check the permissions."
        )
    return mark


def _create(path: Path, mark: str) -> None:
    """Writes a mark, unless another process has done so."""
    if isinstance(path, S3Path):
        write_if(path, mark.encode(), None)
        return
    own = path.with_name(f"{_MARK}-{mark}")
    storage.write_text(own, mark)
    with storage.wrap_os_errors("write", path):
        try:
            os.link(own, path)  # fails where there is one, unlike a rename
        except FileExistsError:
            pass
        finally:
            own.unlink()


def _seen(path: Path) -> str | None:
    try:
        return storage.read_text(path, _MARK_BYTES)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def check_folder(folder: Path, mark: str, wait_s: float = _WAIT_S) -> None:
    """Checks that this machine sees a folder, and may write there.

    Args:
        folder: The folder.
        mark: Its mark.
        wait_s: How long it may take to show the mark, in seconds.

    Raises:
        StorageError: If it is another folder here, can't be written, or a store refuses.
    """
    until = time.monotonic() + wait_s
    while (seen := _seen(folder / _MARK)) != mark:
        if time.monotonic() >= until:
            raise StorageError(
                f"the node {platform.node()} doesn't see the folder {folder} of this job",
                seen="there is none" if seen is None else "there is another one of that name",
                fix="Name a place that all nodes see: --store s3://bucket/prefix, or a folder on a "
                "network disk that is mounted everywhere at the same path.",
            )
        time.sleep(_LOOK_EVERY_S)
    storage.ensure_folder(folder)


def check_here() -> None:
    """Checks the shared folders of the job whose worker this process is, once.

    Every task and replica that reads or writes them calls it first.

    Raises:
        StorageError: See `check_folder`.
    """
    _check_all(os.environ.get(MARKS, "{}"))


@functools.lru_cache(maxsize=1)
def _check_all(marks: str) -> None:
    for folder, mark in json.loads(marks).items():
        check_folder(storage.path_of(folder), mark)


def check_nodes(marks: Mapping[str, str]) -> None:
    """Checks folders on every node that is up, but this one. Ray must be running.

    Args:
        marks: The mark of each folder, by its path.

    Raises:
        ResourceError: If a node doesn't answer.
        StorageError: If a node doesn't see one of them.
    """
    if not marks:
        return
    import ray
    from ray import get_runtime_context
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=1)(_look)
    asked: dict[Any, str] = {}
    own = get_runtime_context().get_node_id()
    for node in (one["NodeID"] for one in _alive() if one["NodeID"] != own):
        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        asked[look.options(scheduling_strategy=strategy).remote(dict(marks))] = node
    if not asked:
        return
    ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=_NODE_S)
    for answer in ready:
        try:
            error = ray.get(answer)
        except RayError as lost:
            if asked[answer] not in {node["NodeID"] for node in _alive()}:
                continue  # it went away meanwhile, and no work will go there
            raise _silent([asked[answer]], str(lost)) from lost
        if error is not None:
            raise error
    if late:
        raise _silent([asked[answer] for answer in late], f"no answer for {_NODE_S:.0f} s")


def _look(marks: dict[str, str]) -> PaloError | None:
    """Runs on a node; returns what is wrong there."""
    try:
        for folder, mark in marks.items():
            check_folder(storage.path_of(folder), mark)
    except PaloError as error:
        return _of_node(error)
    return None


def _of_node(error: PaloError) -> PaloError:
    """Names the node in an error of a store, which may be right everywhere else."""
    node = platform.node()
    if node in error.fact:
        return error
    return StorageError(f"on the node {node}: {error.fact}", seen=error.seen, fix=error.fix)


def _alive() -> Sequence[Mapping[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _silent(nodes: Sequence[str], seen: str) -> ResourceError:
    import ray

    names = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes()}
    told = ", ".join(names.get(node, node) for node in nodes)
    return ResourceError(
        "a node of the cluster can't look at the shared folders",
        seen=f"{told}: {' '.join(seen.split())[:300]}",
        fix="See `ray status` and the node's logs; a node without this platform installed can't "
        "take part.",
    )
