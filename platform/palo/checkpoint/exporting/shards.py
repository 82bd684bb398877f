"""Writing safetensors tensor by tensor: no more than one is in memory, however large the model.

Shards and their index are named as Hugging Face's libraries look for them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from palo import storage
from palo.checkpoint.safetensors_layout import HeaderEntry, header_bytes, shard_index
from palo.errors import MismatchError, StorageError

MAX_SHARD_BYTES = 5_000_000_000
_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorSource:
    """A tensor that is made when its turn comes.

    Attributes:
        shape: Its shape.
        read: Makes it, of any floating type.
    """

    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def num_bytes(sources: Mapping[str, TensorSource], dtype: torch.dtype) -> int:
    """Returns how much room tensors take on the disk.

    Args:
        sources: The tensors by name.
        dtype: Type that they are written in.
    """
    return sum(_size(source, dtype) for source in sources.values())


def write_shards(
    folder: Path,
    sources: Mapping[str, TensorSource],
    dtype: torch.dtype,
    *,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    wrote: Callable[[int], None] = lambda _: None,
) -> list[Path]:
    """Writes model.safetensors, or shards with model.safetensors.index.json.

    Args:
        folder: Where to write.
        sources: The tensors by name, in the order of the files.
        dtype: Type that they are written in.
        max_shard_bytes: Most bytes of tensors in a file; a larger tensor gets one for itself.
        wrote: Receives the bytes of each tensor that was written.

    Returns:
        The files of weights.

    Raises:
        MismatchError: If a value is too large for the type.
        StorageError: If a file can't be read or written.
    """
    shards = list(_split(sources, dtype, max_shard_bytes))
    if len(shards) == 1:
        names = ["model.safetensors"]
    else:
        names = [
            f"model-{n:05d}-of-{len(shards):05d}.safetensors" for n in range(1, len(shards) + 1)
        ]
    for name, shard in zip(names, shards, strict=True):
        _write_file(folder / name, shard, dtype, wrote)
    if len(shards) > 1:
        places = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        index = shard_index(places, num_bytes(sources, dtype))
        storage.write_json(folder / "model.safetensors.index.json", index)
    return [folder / name for name in names]


def _size(source: TensorSource, dtype: torch.dtype) -> int:
    return prod(source.shape) * dtype.itemsize


def _split(
    sources: Mapping[str, TensorSource], dtype: torch.dtype, most: int
) -> Iterator[dict[str, TensorSource]]:
    shard: dict[str, TensorSource] = {}
    for name, source in sources.items():
        if shard and num_bytes(shard, dtype) + _size(source, dtype) > most:
            yield shard
            shard = {}
        shard[name] = source
    yield shard


def _write_file(
    path: Path,
    sources: Mapping[str, TensorSource],
    dtype: torch.dtype,
    wrote: Callable[[int], None],
) -> None:
    entries = [
        HeaderEntry(name, _NAMES[dtype], source.shape, _size(source, dtype))
        for name, source in sources.items()
    ]
    with storage.replacing(path) as partial, partial.open("wb") as file:
        file.write(header_bytes(entries))
        for name, source in sources.items():
            _write_tensor(file, name, source, dtype)
            wrote(_size(source, dtype))


def _write_tensor(file: BinaryIO, name: str, source: TensorSource, dtype: torch.dtype) -> None:
    tensor = source.read()
    if tuple(tensor.shape) != source.shape:
        raise StorageError(
            f"{name} has changed meanwhile",
            seen=f"{tuple(tensor.shape)}, not {source.shape}",
            fix="Run the command again.",
        )
    converted = tensor.to(dtype)
    # The sum costs a quarter, and no value that isn't finite can hide in it.
    if not converted.sum(dtype=torch.float32).isfinite() and not converted.isfinite().all():
        raise MismatchError(
            f"{name} can't be written as {str(dtype).removeprefix('torch.')}",
            seen=f"values up to {tensor.abs().max():.3g}",
            fix="Export with --dtype float32; if that fails too, the training diverged.",
        )
    file.write(converted.contiguous().reshape(-1).view(torch.uint8).numpy().data)
