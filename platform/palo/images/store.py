"""The image store: one fixed-size row for each distinct image, found by the SHA-256 of its file.

    <store>/manifest.json    what a row holds and what made it
    <store>/index.parquet    image_id -> shard, row, checksum
    <store>/shards/*.bin     rows end to end, so that one range read gives one image
    <store>/parts/*.parquet  index of shards that are not merged into index.parquet yet

A shard is named after its content and written whole or not at all: builds may die at any moment,
several may write at once, and a later build adds shards for new images only.

Several processes may also merge the index at once. On a disk they take turns. On S3, where locks
are slow, one may overwrite what another has merged: so parts stay there for an hour after they were
merged, the next merge finds them, and readers look into them for what the index lacks.
"""

import hashlib
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from palo import storage
from palo.errors import DataError, StorageError
from palo.images.store_spec import StoreSpec, read_spec

DTYPES: dict[str, torch.dtype] = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
    "uint8": torch.uint8,
}

_REQUESTS_AT_ONCE = 16
_MERGE_WAIT_S = 600.0
_PART_STAYS_S = 3600.0

INDEX_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("checksum", pa.uint32(), nullable=False),
    ]
)


def prepare_store(folder: Path, spec: StoreSpec) -> frozenset[str]:
    """Prepares a folder for new shards, and merges those of a build that died.

    Args:
        folder: The store.
        spec: What its rows are.

    Returns:
        The image ids that the store already holds.

    Raises:
        MismatchError: If the folder holds a store made with other things.
        StorageError: If it can't be written.
    """
    storage.ensure_folder(folder / "shards")
    storage.ensure_folder(folder / "parts")
    if (folder / "manifest.json").exists():
        read_spec(folder).require(spec, folder)
    else:
        storage.write_json(folder / "manifest.json", spec.values)
    return commit_store(folder)


def write_shard(folder: Path, spec: StoreSpec, image_ids: Sequence[str], rows: torch.Tensor) -> str:
    """Writes one shard and its part of the index; any process may do so.

    Args:
        folder: The store, after `prepare_store`.
        spec: What its rows are.
        image_ids: One id for each row.
        rows: (images, *spec.shape) in the spec's dtype.

    Returns:
        Name of the shard.

    Raises:
        ValueError: If ids and rows differ in number, or rows are not what the spec says.
    """
    wanted = (len(image_ids), *spec.shape)
    if tuple(rows.shape) != wanted or rows.dtype != DTYPES[spec.dtype]:
        raise ValueError(f"a shard needs {wanted} of {spec.dtype}, got {rows.shape} {rows.dtype}")
    data = rows.detach().cpu().contiguous().view(torch.uint8).reshape(len(image_ids), -1).numpy()
    checksums = np.asarray([zlib.crc32(row.data) for row in data], np.uint32)
    # Another machine's features of the same images may differ in the last bit: another shard.
    name = hashlib.sha256("".join(image_ids).encode() + checksums.tobytes()).hexdigest()[:24]
    storage.write_bytes(folder / "shards" / f"{name}.bin", data.data.cast("B"))
    part = pa.table(
        {
            "image_id": list(image_ids),
            "shard": [name] * len(image_ids),
            "row": np.arange(len(image_ids), dtype=np.int32),
            "checksum": checksums,
        },
        schema=INDEX_SCHEMA,
    )
    storage.write_table(folder / "parts" / f"{name}.parquet", part)
    return name


def commit_store(folder: Path) -> frozenset[str]:
    """Merges the index parts of finished shards, and drops shards that are missing or cut off.

    Args:
        folder: The store.

    Returns:
        The image ids that the store holds.

    Raises:
        StorageError: If it can't be read or written.
    """
    spec = read_spec(folder)
    with adding_to(folder / "parts", wait_s=_MERGE_WAIT_S):
        parts = sorted((folder / "parts").glob("*.parquet"))
        index = folder / "index.parquet"
        merged = _read_parts(parts)
        known = _read_index(index) if index.exists() else None
        table = merged if known is None else pa.concat_tables([known, merged])
        table = table.filter(pa.array(_whole_rows(folder, spec, table))).sort_by("image_id")
        if parts or known is None or len(table) != len(known):
            storage.write_table(index, table)
        _remove_merged(parts, known)
    return frozenset(table.column("image_id").to_pylist())


def adding_to(folder: Path, wait_s: float = 0.0) -> AbstractContextManager[None]:
    """Gives a store's folder to one process; on S3 several may add to it at once.

    Args:
        folder: The folder.
        wait_s: How long to wait for another process, in seconds.

    Raises:
        ResourceError: If another one keeps it for all that time.
    """
    if isinstance(folder, storage.S3Path):
        return nullcontext()
    return storage.alone_in(folder, wait_s=wait_s)


def _whole_rows(folder: Path, spec: StoreSpec, table: pa.Table) -> npt.NDArray[np.bool_]:
    """Marks the first row of each image whose shard is there and has it."""
    seen: set[str] = set()
    keep = np.zeros(len(table), bool)
    sizes = storage.file_sizes(folder / "shards")
    whole = {Path(name).stem: size // spec.row_bytes for name, size in sizes.items()}
    columns = (table.column(name).to_pylist() for name in ("image_id", "shard", "row"))
    for position, (image_id, shard, row) in enumerate(zip(*columns, strict=True)):
        keep[position] = image_id not in seen and row < whole.get(shard, 0)
        if keep[position]:
            seen.add(image_id)
    return keep


def _remove_merged(parts: Sequence[Path], known: pa.Table | None) -> None:
    """Removes parts that are in the index; on S3 only those that were there an hour ago."""
    if parts and isinstance(parts[0], storage.S3Path):
        shards = set() if known is None else set(known.column("shard").to_pylist())
        before_s = time.time() - _PART_STAYS_S
        parts = [part for part in parts if part.stem in shards and part.stat().st_mtime < before_s]
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        for _ in pool.map(storage.remove, parts):
            pass


def _read_index(path: Path) -> pa.Table:
    return storage.read_table(path, schema=INDEX_SCHEMA)


def _read_parts(parts: Sequence[Path]) -> pa.Table:
    """Reads parts of the index, but for those that were merged and removed meanwhile."""

    def read(path: Path) -> pa.Table | None:
        try:
            return _read_index(path)
        except StorageError:
            if path.exists():
                raise
            return None

    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        tables = [table for table in pool.map(read, parts) if table is not None]
    return pa.concat_tables([INDEX_SCHEMA.empty_table(), *tables])


class ImageStore:
    """Reads one image at a time from a store.

    Args:
        folder: The store.
        expected: What the reader needs; None accepts what is there.

    Raises:
        MismatchError: If the store was made with other things than expected.
    """

    def __init__(self, folder: Path, expected: StoreSpec | None = None) -> None:
        self.folder = folder
        self.spec = read_spec(folder)
        if expected is not None:
            self.spec.require(expected, folder)

    def __len__(self) -> int:
        return len(self._index.ids)

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, str) and self._index.find(image_id) is not None

    @cached_property
    def _index(self) -> "_Index":
        return _Index(_read_index(self.folder / "index.parquet"))

    @cached_property
    def _late_parts(self) -> "_Index":
        """What the index may lack on S3, where another build may have overwritten it."""
        if not isinstance(self.folder, storage.S3Path):
            return _Index(INDEX_SCHEMA.empty_table())
        table = _read_parts(sorted((self.folder / "parts").glob("*.parquet")))
        return _Index(table.sort_by("image_id"))

    def _place(self, image_id: str) -> tuple[str, int, int] | None:
        """Returns shard, row and checksum of an image."""
        if (position := self._index.find(image_id)) is not None:
            return self._index.place(position)
        late = self._late_parts
        position = late.find(image_id)
        return None if position is None else late.place(position)

    def read_all(self, image_ids: Sequence[str]) -> list[torch.Tensor]:
        """Reads images, those of a store on S3 concurrently; raises what `read` raises.

        Args:
            image_ids: SHA-256 of the images' files.

        Returns:
            Tensors of the spec's shape and dtype.
        """
        if len(image_ids) < 2 or not isinstance(self.folder, storage.S3Path):
            return [self.read(image_id) for image_id in image_ids]
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            return list(pool.map(self.read, image_ids))

    def read(self, image_id: str) -> torch.Tensor:
        """Reads one image.

        Args:
            image_id: SHA-256 of the image's file.

        Returns:
            Tensor of the spec's shape and dtype.

        Raises:
            DataError: If the store lacks the image.
            StorageError: If its bytes are not those that were written.
        """
        place = self._place(image_id)
        if place is None:
            raise DataError(
                f"the image store {self.folder} lacks an image",
                seen=image_id,
                fix="Build the corpus again: it adds what is missing.",
            )
        shard, row, checksum = place
        path = self.folder / "shards" / f"{shard}.bin"
        size = self.spec.row_bytes
        data = bytearray(storage.read_range(path, row * size, size))
        if len(data) != size or zlib.crc32(data) != checksum:
            raise StorageError(
                f"shard {path} of the image store is damaged",
                seen=f"row {row} of image {image_id}",
                fix="Delete that file and build the corpus again: it encodes only its images.",
            )
        return torch.frombuffer(data, dtype=DTYPES[self.spec.dtype]).reshape(self.spec.shape)


class _Index:
    """The index as sorted arrays: 80 bytes an image, where a dict would take some 300."""

    def __init__(self, table: pa.Table) -> None:
        shards = table.column("shard").combine_chunks().dictionary_encode()
        self.ids: npt.NDArray[np.bytes_] = np.asarray(table.column("image_id").to_pylist(), "S64")
        self._shards: list[str] = shards.dictionary.to_pylist()
        self._shard_of = shards.indices.to_numpy()
        self._rows = table.column("row").to_numpy()
        self._checksums = table.column("checksum").to_numpy()

    def find(self, image_id: str) -> int | None:
        key = np.bytes_(image_id.encode())
        position = int(np.searchsorted(self.ids, key))
        return position if position < len(self.ids) and self.ids[position] == key else None

    def place(self, position: int) -> tuple[str, int, int]:
        shard = self._shards[int(self._shard_of[position])]
        return shard, int(self._rows[position]), int(self._checksums[position])
