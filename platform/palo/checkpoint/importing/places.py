"""Where tensors lie in files of weights, without reading them.

safetensors say it in their header. A pickle is read by torch with weights_only, onto the device
meta: then torch makes no tensor but notes where in the file each would begin.
"""

import math
import pickle
import struct
import zipfile
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

from palo import storage
from palo.errors import DataError, StorageError
from palo.model.folder_guard import safetensors_header
from palo.storage import S3Path

if TYPE_CHECKING:
    import torch

ITEM_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
        "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
    }
)  # fmt: skip
"""Bytes of one number, by the name that safetensors have for its type."""
_TYPES = MappingProxyType(
    {
        "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64",
        "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
    }
)  # fmt: skip
_ZIP = b"PK\x03\x04"
_PICKLE_BYTES = 64 << 20
_AHEAD_BYTES = 64 << 10
_DAMAGE = (
    zipfile.BadZipFile, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError,
    EOFError, AssertionError, OverflowError, NotImplementedError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorPlace:
    """Where a tensor lies.

    Attributes:
        file: The file.
        name: Its name there.
        dtype: The type of its numbers, as safetensors name it.
        shape: Its shape.
        start: Offset of its first number in the file, in bytes.
        strides: Steps of its dimensions in numbers; None where they follow one another.
    """

    file: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    strides: tuple[int, ...] | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]

    @property
    def span_bytes(self) -> int:
        """Bytes of the file from its first number to its last one."""
        if self.strides is None or 0 in self.shape:
            return self.size_bytes
        steps = zip(self.shape, self.strides, strict=True)
        return (1 + sum((n - 1) * step for n, step in steps)) * ITEM_BYTES[self.dtype]


def places_in(path: Path) -> dict[str, TensorPlace]:
    """Returns the places of the tensors in a file of weights, by name.

    Args:
        path: The file, in safetensors or pickled by torch, on a disk or on S3.

    Raises:
        DataError: If it holds something else than tensors.
        StorageError: If it can't be read, is damaged, or holds code.
    """
    with storage.wrap_os_errors("read", path):
        head = storage.read_range(path, 0, len(_ZIP))
    return _pickled(path) if head == _ZIP else _in_safetensors(path)


def _in_safetensors(path: Path) -> dict[str, TensorPlace]:
    if path.suffix != ".safetensors":
        raise StorageError(
            f"{path} is no file of weights",
            seen="neither safetensors nor a zip of torch.save",
            fix="Download it again. A pickle older than torch 1.6 must be saved anew by torch.save "
            "where it is trusted.",
        )
    header, first = safetensors_header(path)
    found = {}
    for name, one in header.items():
        try:
            begin, end = one["data_offsets"]
            place = TensorPlace(
                file=path,
                name=name,
                dtype=one["dtype"],
                shape=tuple(one["shape"]),
                start=first + begin,
            )
            if begin < 0 or end - begin != place.size_bytes:
                raise ValueError(f"{place.shape} of {place.dtype} in {end - begin:,} bytes")
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, f"{name}: {error!s:.80}") from error
        found[name] = place
    return found


def _pickled(path: Path) -> dict[str, TensorPlace]:
    import torch

    try:
        with storage.wrap_os_errors("read", path):
            with _opened(path) as file, zipfile.ZipFile(file) as archive:
                members = _sound_members(archive)
            remote = isinstance(path, S3Path)
            with _opened(path) as file:
                values = torch.load(
                    file if remote else str(path),
                    map_location="meta",
                    weights_only=True,
                    mmap=None if remote else True,
                )
    except pickle.UnpicklingError as error:
        raise StorageError(
            f"{path} holds something else than weights, such as code that runs when it is read",
            seen=_told(error),
            fix="It was not read. Get the weights from whom you trust, best as safetensors.",
        ) from error
    except _DAMAGE as error:
        raise _damaged(path, f"{error!s:.120}".splitlines()[0]) from error
    if not isinstance(values, dict) or not values:
        raise DataError(f"{path} holds no tensors by name", seen=type(values).__name__)
    return {name: _place(path, name, value, members) for name, value in values.items()}


def _opened(path: Path) -> BinaryIO:
    if isinstance(path, S3Path):
        opened: BinaryIO = path.open("rb", _AHEAD_BYTES)  # type: ignore[assignment]
        return opened
    return storage.open_regular(path)


def _sound_members(archive: zipfile.ZipFile) -> list[tuple[int, int]]:
    """Returns where the members of a zip begin, and their sizes, in the order of their places."""
    for member in archive.infolist():
        name = member.filename.rpartition("/")[2]
        if member.compress_type != zipfile.ZIP_STORED:
            raise zipfile.BadZipFile(f"{member.filename} is compressed")
        if name == "data.pkl" and member.file_size > _PICKLE_BYTES:
            raise zipfile.BadZipFile(f"{member.filename} of {member.file_size:,} bytes")
        if name == "byteorder" and archive.read(member) != b"little":
            raise zipfile.BadZipFile("numbers in the byte order of another machine")
    return sorted((member.header_offset, member.file_size) for member in archive.infolist())


def _place(path: Path, name: object, value: Any, members: list[tuple[int, int]]) -> TensorPlace:  # noqa: ANN401 - whatever the pickle holds
    import torch

    kind = str(getattr(value, "dtype", "")).removeprefix("torch.")
    is_dense = isinstance(value, torch.Tensor) and value.layout == torch.strided
    if not isinstance(name, str) or not is_dense or kind not in _TYPES:
        raise DataError(
            f"{path} holds something else than tensors by name",
            seen=f"{name!s:.80}: {kind or type(value).__name__}",
            fix="Give a state dict of dense tensors, as torch.save writes it.",
        )
    begin = value.untyped_storage()._checkpoint_offset
    place = TensorPlace(
        file=path,
        name=name,
        dtype=_TYPES[kind],
        shape=tuple(value.shape),
        start=begin + value.storage_offset() * value.element_size(),
        strides=None if value.is_contiguous() else value.stride(),
    )
    header, size = members[bisect_right(members, (begin, 0)) - 1]
    inside = header < begin and value.storage_offset() >= 0
    if not inside or place.start + place.span_bytes > begin + size:
        raise _damaged(path, f"{name}: {place.shape} of {kind} in {size:,} bytes")
    return place


def strided(place: TensorPlace, data: bytes) -> "torch.Tensor":
    """Returns a tensor whose numbers don't follow one another in its file.

    Args:
        place: Its place.
        data: The bytes from its first number to its last one.
    """
    import torch

    kind = next(ours for ours, theirs in _TYPES.items() if theirs == place.dtype)
    flat = torch.frombuffer(bytearray(data), dtype=getattr(torch, kind))
    return flat.as_strided(place.shape, place.strides or ()).contiguous()


def _told(error: Exception) -> str:
    """Returns what a pickle asked for, of torch's long text about it."""
    text = str(error)
    _, found, rest = text.partition("GLOBAL ")
    return rest.split()[0] if found else text.splitlines()[0][:120]


def _damaged(path: Path, seen: str) -> StorageError:
    return StorageError(
        f"can't read weights from {path}",
        seen=seen,
        fix="It is damaged or cut off: download it again.",
    )
