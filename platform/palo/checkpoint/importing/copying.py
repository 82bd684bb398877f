"""Writes tensors of any files into safetensors, byte for byte.

No tensor is ever in memory as a whole, unless its numbers don't follow one another. What is written
is hashed on the way, which costs most of the time: the sources, which hold the same numbers, aren't
hashed again.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from palo import storage
from palo.checkpoint.importing.places import TensorPlace, strided
from palo.checkpoint.safetensors_layout import HeaderEntry, header_bytes
from palo.errors import StorageError
from palo.storage import S3Path

_CHUNK_BYTES = 2 << 20
_AHEAD_BYTES = 32 << 20
_WRITERS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class NewFile:
    """A safetensors file that is to be written.

    Attributes:
        path: The file.
        tensors: Where its tensors are now, by their names in it.
    """

    path: Path
    tensors: Mapping[str, TensorPlace]

    @property
    def size_bytes(self) -> int:
        """Bytes of its tensors."""
        return sum(place.size_bytes for place in self.tensors.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """What was copied.

    Attributes:
        sources: Size in bytes of each file that was read, by its path.
        written: SHA-256 of each file that was written, by its path.
    """

    sources: Mapping[Path, int]
    written: Mapping[Path, str]


def copy_tensors(files: Sequence[NewFile], on_bytes: Callable[[int], None]) -> Copied:
    """Writes safetensors files.

    Args:
        files: The files; their folders exist.
        on_bytes: Told how many bytes were copied, now and then.

    Raises:
        StorageError: If a file can't be read or written, or a source changes meanwhile.
    """
    sources = {place.file for new in files for place in new.tensors.values()}
    before = {source: _stamp(source) for source in sources}
    job = _Job(on_bytes)
    with ThreadPoolExecutor(_WRITERS) as pool:
        try:
            hashes = list(pool.map(job.write, files))
        except BaseException:  # of a writer, or Ctrl-C: the others needn't end their files
            job.stopped.set()
            raise
    written = {new.path: one for new, one in zip(files, hashes, strict=True)}
    for source in sources:
        if _stamp(source) != before[source]:
            raise StorageError(
                f"{source} has changed meanwhile", fix="Wait until it is whole, then try again."
            )
    sizes = {source: size for source, (size, _) in before.items()}
    return Copied(sources=sizes, written=written)


def _stamp(path: Path) -> tuple[int, int]:
    with storage.wrap_os_errors("read", path):
        found = path.stat()
    return found.st_size, found.st_mtime_ns


class _Job:
    """Writes files in several threads, since hashing is slower than a disk."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        self.stopped = threading.Event()
        self._on_bytes = on_bytes
        self._counting = threading.Lock()

    def write(self, new: NewFile) -> str:
        """Writes a file; returns its hash."""
        # As they follow one another in their files, which is fastest to read.
        tensors = sorted(new.tensors.items(), key=lambda item: (str(item[1].file), item[1].start))
        header = memoryview(_header(tensors))
        digest = hashlib.sha256(header)
        with ExitStack() as stack:
            stack.enter_context(storage.wrap_os_errors("write", new.path))
            file = stack.enter_context(new.path.open("wb", buffering=0))
            pool = stack.enter_context(ThreadPoolExecutor(1))
            _write_all(file.fileno(), header)
            hashing = pool.submit(lambda: None)
            for chunk in _chunks_of([place for _, place in tensors]):
                if self.stopped.is_set():
                    return ""
                hashing.result()
                hashing = pool.submit(digest.update, chunk)
                _write_all(file.fileno(), chunk)
                with self._counting:
                    self._on_bytes(len(chunk))
            hashing.result()
            os.fsync(file.fileno())
        return digest.hexdigest()


def _chunks_of(places: Sequence[TensorPlace]) -> Iterator[memoryview]:
    """Yields the bytes of tensors; those of a chunk stay as they are until the second next one."""
    with ExitStack() as stack:
        opened: dict[Path, _Source] = {}
        for place in places:
            if place.file not in opened:
                opened[place.file] = stack.enter_context(_opened(place.file))
            yield from _chunks(place, opened[place.file])


def _header(tensors: Sequence[tuple[str, TensorPlace]]) -> bytes:
    return header_bytes(
        HeaderEntry(name, place.dtype, place.shape, place.size_bytes) for name, place in tensors
    )


def _write_all(handle: int, data: memoryview) -> None:
    while data:
        data = data[os.write(handle, data) :]


class _Source(Protocol):
    """A file that is read from the front to the back."""

    def read(self, start: int, size: int) -> memoryview:
        """Returns bytes that stay as they are until the second next call.

        Args:
            start: Offset of the first one.
            size: How many; fewer come where the file ends.
        """

    def __enter__(self) -> "_Source": ...

    def __exit__(self, *error: object) -> None: ...


def _opened(path: Path) -> _Source:
    return _Remote(path) if isinstance(path, S3Path) else _Local(path)


class _Local:
    """A file on a disk, read into two buffers in turn: fresh memory costs as much as the copy."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._buffers = [bytearray(_CHUNK_BYTES), bytearray(_CHUNK_BYTES)]

    def read(self, start: int, size: int) -> memoryview:
        self._buffers.reverse()
        view = memoryview(self._buffers[0])[:size]
        return view[: os.preadv(self._file.fileno(), [view], start)]

    def __enter__(self) -> "_Local":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


class _Remote:
    """A file on S3, of which more is fetched at once."""

    def __init__(self, path: Path) -> None:
        self._file = storage.open_ranges(path, _AHEAD_BYTES)

    def read(self, start: int, size: int) -> memoryview:
        return memoryview(self._file.read(start, size))

    def __enter__(self) -> "_Remote":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _chunks(place: TensorPlace, source: _Source) -> Iterator[memoryview]:
    """Yields the bytes of a tensor."""
    if place.strides is None:
        yield from _range(source, place.start, place.size_bytes, place)
        return
    import torch

    data = b"".join(map(bytes, _range(source, place.start, place.span_bytes, place)))
    tensor = strided(place, data)
    yield memoryview(tensor.flatten().view(torch.uint8).numpy().tobytes())


def _range(source: _Source, start: int, size: int, place: TensorPlace) -> Iterator[memoryview]:
    end = start + size
    while start < end:
        chunk = source.read(start, min(_CHUNK_BYTES, end - start))
        if not chunk:
            raise StorageError(
                f"{place.file} has changed meanwhile",
                seen=f"it ends within {place.name}",
                fix="Wait until it is whole, then try again.",
            )
        yield chunk
        start += len(chunk)
