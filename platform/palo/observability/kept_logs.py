"""Logs of Ray's processes, kept in the store: a node takes its own with it when it goes.

    STORE/logs/SESSION/NODE/FILE.gz     the last megabytes of a file; SESSION is the cluster's

A whole file is written each time, since nothing can be appended to an object on S3; so only the end
of each file is kept, and of each node the files that were written last.
"""

import gzip
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from palo import storage
from palo.errors import StorageError

FOLDER = "logs"
"""Folder of the store."""
_SESSION = "session_latest"
_KINDS = (".log", ".out", ".err")
_ENDING = ".gz"
_MIB = 1 << 20
_DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class KeepSettings:
    """How logs are kept.

    Attributes:
        ray: The folder of Ray's sessions on this node (`--temp-dir`).
        every_s: Seconds between two looks: what a node writes in its last seconds is lost, if it
            goes without notice.
        file_mib: How much is kept of each file, its end.
        node_mib: How much is kept of each node, before it is compressed.
        keep_days: Days after which a cluster's logs are deleted, when another one starts.
    """

    ray: Path = Path("/tmp/ray")  # noqa: S108 - Ray's own
    every_s: float = 30.0
    file_mib: int = 4
    node_mib: int = 512
    keep_days: float = 30.0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not 1 <= self.file_mib <= self.node_mib:
            yield f"file_mib is {self.file_mib}, it must be from 1 to node_mib, {self.node_mib}"
        for name in ("every_s", "keep_days"):
            if getattr(self, name) <= 0:
                yield f"{name} is {getattr(self, name)}, it must be above 0"


class _Seen(NamedTuple):
    size: int
    written: int


class LogKeeper:
    """Copies what is new in this node's logs.

    Args:
        root: Where logs are kept, on a disk or on S3.
        settings: How.
        node: Name of this node.
    """

    def __init__(self, root: Path, settings: KeepSettings, node: str | None = None) -> None:
        self._root = root
        self._settings = settings
        self._node = node or socket.gethostname()
        self._kept: dict[Path, _Seen] = {}
        self._session = ""

    def run(self, say: Callable[[str], None]) -> None:
        """Looks again and again; a store that can't be written is told and tried again.

        Args:
            say: Takes lines for people.
        """
        told = ""
        while True:
            try:
                self.look()
                told = ""
            except StorageError as error:
                if str(error) != told:
                    told = str(error)
                    say(f"logs aren't kept for now: {error}")
            time.sleep(self._settings.every_s)

    def look(self) -> int:
        """Copies the files that have changed; returns how many.

        Raises:
            StorageError: If the store can't be written.
        """
        session = (self._settings.ray / _SESSION).resolve()
        logs = session / "logs"
        if not logs.is_dir():
            return 0
        if session.name != self._session:
            self._session, self._kept = session.name, {}
            remove_old(self._root, self._settings.keep_days)
        target = self._root / session.name / self._node
        found = self._newest(logs)
        for path in self._kept.keys() - found.keys():
            storage.remove(_copy_of(path, logs, target))
            del self._kept[path]
        changed = [path for path, seen in found.items() if self._kept.get(path) != seen]
        for path in changed:
            data = _end_of(path, self._settings.file_mib * _MIB)
            storage.write_bytes(_copy_of(path, logs, target), gzip.compress(data, mtime=0))
            self._kept[path] = found[path]
        return len(changed)

    def _newest(self, logs: Path) -> dict[Path, _Seen]:
        """Returns the files that were written last, as many as may be kept."""
        found = sorted(_files(logs), key=lambda one: one[1].written, reverse=True)
        left = self._settings.node_mib * _MIB
        newest = {}
        for path, seen in found:
            left -= min(seen.size, self._settings.file_mib * _MIB)
            if left < 0:
                break
            newest[path] = seen
        return newest


def _files(logs: Path) -> Iterator[tuple[Path, _Seen]]:
    for folder, _, names in os.walk(logs):
        for name in names:
            path = Path(folder, name)
            # Links lead to files that are met by themselves.
            if path.suffix not in _KINDS or path.is_symlink():
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:  # Ray renames full files
                continue
            if stat.st_size:
                yield path, _Seen(stat.st_size, stat.st_mtime_ns)


def _end_of(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            return file.read(most)
    except FileNotFoundError:  # renamed since it was found: its other name comes next time
        return b""


def _copy_of(path: Path, logs: Path, target: Path) -> Path:
    relative = path.relative_to(logs)
    return target / relative.parent / f"{relative.name}{_ENDING}"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptFile:
    """A kept log.

    Attributes:
        session: Name of Ray's session, which begins with its time.
        node: Name of the node.
        name: The file's name below Ray's logs.
        path: Where it is kept.
        size_bytes: Its size there.
        written: Unix time at which it was copied.
    """

    session: str
    node: str
    name: str
    path: Path
    size_bytes: int
    written: float


def kept_files(root: Path, session: str = "", node: str = "") -> list[KeptFile]:
    """Returns kept logs, by session, node and name.

    Args:
        root: Where logs are kept.
        session: The only session; all by default.
        node: The only node; all by default.

    Raises:
        StorageError: If it can't be read.
    """
    found = []
    for each in [root / session] if session else _folders(root):
        for place in [each / node] if node else _folders(each):
            with storage.wrap_os_errors("read", place):
                paths = [path for path in place.rglob(f"*{_ENDING}") if path.is_file()]
            found += [_described(path, each.name, place) for path in paths]
    return sorted(found, key=lambda one: (one.session, one.node, one.name))


def _described(path: Path, session: str, node: Path) -> KeptFile:
    stat = path.stat()
    name = storage.relative_text(path, node).removesuffix(_ENDING)
    return KeptFile(
        session=session,
        node=node.name,
        name=name,
        path=path,
        size_bytes=stat.st_size,
        written=stat.st_mtime,
    )


def read_log(kept: KeptFile) -> str:
    """Returns the text of a kept log.

    Args:
        kept: The log.

    Raises:
        StorageError: If it can't be read.
    """
    data = storage.read_bytes(kept.path)
    try:
        return gzip.decompress(data).decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        raise StorageError(f"{kept.path} is damaged", seen=error, fix="Delete it.") from error


def remove_old(root: Path, keep_days: float) -> list[str]:
    """Deletes the sessions that nothing was written to for long; returns their names.

    Args:
        root: Where logs are kept.
        keep_days: For how long.

    Raises:
        StorageError: If the store can't be changed.
    """
    oldest = time.time() - keep_days * _DAY_S
    gone = []
    for session in _folders(root):
        newest = max((one.written for one in kept_files(root, session.name)), default=oldest)
        if newest < oldest:
            storage.remove(session)
            gone.append(session.name)
    return gone


def _folders(root: Path) -> list[Path]:
    with storage.wrap_os_errors("read", root):
        return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
