"""Writes tensors of any files into safetensors, byte for byte, in one pass over each file.

No tensor is ever in memory as a whole, unless its numbers don't follow one another. What is read
and what is written is hashed on the way.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from palo import storage
from palo.checkpoint.importing.places import TensorPlace, strided
from palo.errors import StorageError

_CHUNK_BYTES = 8 << 20
_AHEAD_BYTES = 32 << 20
_ALIGNMENT = 8


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
    """The hashes of what was copied.

    Attributes:
        sources: SHA-256 of each file that was read, by its path.
        written: SHA-256 of each file that was written, by its path.
    """

    sources: Mapping[Path, str]
    written: Mapping[Path, str]


class _Pieces(NamedTuple):
    """The tensors of a new file that lie in one source, by their names in the new file."""

    in_passing: list[tuple[str, TensorPlace]]
    afterwards: list[tuple[str, TensorPlace]]


@dataclass(kw_only=True, slots=True)
class _Writer:
    """A file in writing, in the order of its tensors."""

    file: IO[bytes]
    pieces: Mapping[Path, _Pieces]
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes | memoryview) -> None:
        self.digest.update(data)
        view = memoryview(data)
        while view:
            view = view[self.file.write(view) :]


def copy_tensors(files: Sequence[NewFile], on_bytes: Callable[[int], None]) -> Copied:
    """Writes safetensors files.

    Args:
        files: The files; their folders exist.
        on_bytes: Told how many bytes of sources were read, now and then.

    Raises:
        StorageError: If a file can't be read or written, or a source changes meanwhile.
    """
    sources = sorted({place.file for new in files for place in new.tensors.values()}, key=str)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1 + len(files)))
        writers: dict[Path, _Writer] = {}
        for new in files:
            pieces = {source: _pieces(new, source) for source in sources}
            with storage.wrap_os_errors("write", new.path):
                file = stack.enter_context(new.path.open("wb", buffering=0))
                writers[new.path] = _Writer(file=file, pieces=pieces)
                writers[new.path].write(_header(pieces.values()))
        hashes = {
            source: _copy_from(source, list(writers.values()), pool, on_bytes) for source in sources
        }
        for path, writer in writers.items():
            with storage.wrap_os_errors("write", path):
                os.fsync(writer.file.fileno())
    written = {path: writer.digest.hexdigest() for path, writer in writers.items()}
    return Copied(sources=hashes, written=written)


def _pieces(new: NewFile, source: Path) -> _Pieces:
    """Sorts a new file's tensors in a source: one pass copies no bytes that are apart or shared."""
    found = _Pieces([], [])
    end = 0
    for name, place in sorted(new.tensors.items(), key=lambda item: (item[1].start, item[0])):
        if place.file != source:
            continue
        if place.strides is not None or place.start < end:
            found.afterwards.append((name, place))
        else:
            found.in_passing.append((name, place))
            end = place.start + place.size_bytes
    return found


def _header(pieces: Iterable[_Pieces]) -> bytes:
    values: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for one in pieces:
        for name, place in (*one.in_passing, *one.afterwards):
            begin, end = end, end + place.size_bytes
            values[name] = {
                "dtype": place.dtype,
                "shape": list(place.shape),
                "data_offsets": [begin, end],
            }
    text = json.dumps(values, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _copy_from(
    source: Path,
    writers: Sequence[_Writer],
    pool: ThreadPoolExecutor,
    on_bytes: Callable[[int], None],
) -> str:
    """Copies all tensors that lie in a file; returns the file's hash."""
    digest = hashlib.sha256()
    with storage.wrap_os_errors("copy", source), storage.open_ranges(source, _AHEAD_BYTES) as file:
        before = source.stat()
        for start in range(0, before.st_size, _CHUNK_BYTES):
            chunk = memoryview(file.read(start, min(_CHUNK_BYTES, before.st_size - start)))
            work = [pool.submit(digest.update, chunk)]
            work += [pool.submit(_write_passing, one, source, start, chunk) for one in writers]
            for done in work:
                done.result()
            on_bytes(len(chunk))
        for writer in writers:
            for _, place in writer.pieces[source].afterwards:
                _write_afterwards(writer, place, file)
        after = source.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise StorageError(
            f"{source} has changed meanwhile", fix="Wait until it is whole, then try again."
        )
    return digest.hexdigest()


def _write_passing(writer: _Writer, source: Path, start: int, chunk: memoryview) -> None:
    """Writes what of a file's tensors lies in a chunk of their source."""
    end = start + len(chunk)
    for _, place in writer.pieces[source].in_passing:
        first, last = max(place.start, start), min(place.start + place.size_bytes, end)
        if first < last:
            writer.write(chunk[first - start : last - start])


def _write_afterwards(writer: _Writer, place: TensorPlace, file: storage.Ranges) -> None:
    if place.strides is None:
        for start in range(place.start, place.start + place.size_bytes, _CHUNK_BYTES):
            size = min(_CHUNK_BYTES, place.start + place.size_bytes - start)
            writer.write(file.read(start, size))
    else:
        import torch

        tensor = strided(place, file.read(place.start, place.span_bytes))
        writer.write(tensor.flatten().view(torch.uint8).numpy().tobytes())
