"""The cache of imported weights: each import is made once, and named by its content.

    sources/STAMP/found.json    which import a source became; STAMP names its path, its files' sizes
                                and times of change, and the options
    CONTENT/                    an import, by the hash of all that is in it

So a source is found again without reading its weights, and two copies of a checkpoint become one
import. A process that imports holds the source's folder: another one waits for it.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palo import storage
from palo.account import cache_folder
from palo.errors import ResourceError, StorageError
from palo.storage import S3Path
from palo.store import store_root

if TYPE_CHECKING:
    from palo.checkpoint.importing.copying import NewFile

FORMAT_VERSION = 1
"""Goes up whenever the same source would become other files."""
IMPORTS = "PALO_IMPORTS"
"""Environment variable that names the cache's folder; by default it is in the user's cache."""
_SPARE_BYTES = 16 << 20
_WAIT_S = 86_400.0
_NOT_CONTENT = "lineage.json"
_IN_STORE = Path("models/imports")

Build = Callable[[Path], Sequence[Path]]
"""Writes an import to an empty folder; returns what else than its source it was made of."""


def imports_folder() -> Path:
    """Returns the folder of the cache: that of a store on a disk is seen by all machines."""
    if named := os.environ.get(IMPORTS):
        return Path(named).absolute()
    root = store_root()
    if root is None or isinstance(root, S3Path):
        return cache_folder() / "imports"
    return root / _IN_STORE


def published(folder: Path) -> Path:
    """Returns where all machines see a folder of the cache: with a store on S3 it is copied there.

    Args:
        folder: A folder in the cache, or any other, which is returned as it is.

    Raises:
        StorageError: If it can't be copied.
    """
    root, cache = store_root(), imports_folder()
    if not isinstance(root, S3Path) or not folder.resolve().is_relative_to(cache.resolve()):
        return folder
    below = folder.resolve().relative_to(cache.resolve())
    own = cache / below.parts[0]
    target = root / _IN_STORE / below.parts[0]
    if not (target / _NOT_CONTENT).is_file():
        storage.send_tree(own, target, last=_NOT_CONTENT)
    return target.joinpath(*below.parts[1:])


def kept(source: Path, options: Sequence[str], build: Build, say: Callable[[str], None]) -> Path:
    """Returns the folder that a source was imported to, now or before.

    Args:
        source: Folder or file of foreign weights.
        options: What else decides what becomes of it.
        build: Imports it.
        say: Told that another process is at it.

    Raises:
        StorageError: If the cache can't be written.
        PaloError: Errors of `build`.
    """
    root = imports_folder()
    own = root / "sources" / _stamp(source, options)
    if (found := _found(root, own)) is not None:
        return found
    storage.ensure_folder(own)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(storage.alone_in(own))
        except ResourceError as error:
            say(f"waiting for another process that imports {source}: {error.seen}")
            stack.enter_context(storage.alone_in(own, wait_s=_WAIT_S))
        if (found := _found(root, own)) is not None:
            return found
        partial = own / "partial"
        try:
            storage.remove(partial)  # of a process that was killed
            storage.ensure_folder(partial)
            others = build(partial)
            name = _content_name(partial)
            _rename(partial, root / name)
        finally:
            storage.remove(partial)
        stamps = {str(other.resolve()): _stamp(other, ()) for other in others}
        storage.write_json(own / "found.json", {"import": name, "others": stamps})
    return root / name


def earlier(source: Path, options: Sequence[str]) -> Path | None:
    """Returns the folder that a source was imported to before; None if it wasn't.

    Args:
        source: Folder or file of foreign weights.
        options: What else decides what becomes of it.
    """
    root = imports_folder()
    return _found(root, root / "sources" / _stamp(source, options))


def write_once(output: Path, build: Build) -> Path:
    """Writes an import to a folder of one's own choice: whole, or not at all.

    Args:
        output: The folder, which may be there only if it is empty.
        build: Imports it.

    Raises:
        StorageError: If it holds something, or can't be written.
        PaloError: Errors of `build`.
    """
    if isinstance(output, S3Path) or (output.exists() and any(output.iterdir())):
        raise StorageError(
            "this folder can't be the output",
            seen=output,
            fix="Name a new or empty folder on a disk.",
        )
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        storage.ensure_folder(partial)
        build(partial)
        with storage.wrap_os_errors("write", output):
            if output.exists():
                output.rmdir()
            partial.rename(output)
    finally:
        storage.remove(partial)
    return output


def require_space(folder: Path, files: Iterable["NewFile"]) -> None:
    """Checks that there is room for files.

    Args:
        folder: Where they are to be written.
        files: The files.

    Raises:
        StorageError: If there is too little.
    """
    needed = sum(new.size_bytes for new in files) + _SPARE_BYTES
    with storage.wrap_os_errors("look for space in", folder):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            "there is too little space on the disk",
            seen=f"{needed / 2**30:,.1f} GiB needed, {free / 2**30:,.1f} GiB free in {folder}",
            fix=f"Free some, or name a folder on another disk in {IMPORTS} or with --output.",
        )


def _found(root: Path, own: Path) -> Path | None:
    """Returns the import that a source became, if it and what it was made of are still there."""
    if not (own / "found.json").is_file():
        return None
    values = storage.read_json(own / "found.json")
    folder = root / str(values["import"])
    if not (folder / _NOT_CONTENT).is_file():
        return None
    others = {storage.path_of(text): stamp for text, stamp in values["others"].items()}
    same = all(other.exists() and _stamp(other, ()) == stamp for other, stamp in others.items())
    return folder if same else None


def _stamp(source: Path, options: Sequence[str]) -> str:
    """Returns what names a source without reading it: path, sizes and times of change."""
    with storage.wrap_os_errors("read", source):
        paths = [source] if source.is_file() else sorted(source.iterdir(), key=str)
        files = [
            (path.name, found.st_size, found.st_mtime_ns)
            for path in paths
            if path.is_file()
            for found in (path.stat(),)
        ]
    text = json.dumps([FORMAT_VERSION, str(source.resolve()), files, list(options)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _content_name(folder: Path) -> str:
    """Returns what names an import: the hash of its files; those of weights are known."""
    known = storage.read_json(folder / _NOT_CONTENT)["weights"]
    hashes = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != _NOT_CONTENT:
            hashes.append((name, known.get(name) or storage.file_hash(path)))
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:16]


def _rename(partial: Path, final: Path) -> None:
    """Gives an import its name, unless another process did meanwhile."""
    with storage.wrap_os_errors("write", final):
        if final.is_dir() and not (final / _NOT_CONTENT).is_file():  # what somebody began to delete
            shutil.rmtree(final)
        try:
            partial.rename(final)
        except OSError:
            if not (final / _NOT_CONTENT).is_file():
                raise
