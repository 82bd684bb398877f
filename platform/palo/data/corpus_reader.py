"""The reader of a finished corpus: columns of all samples for the plan, and samples by number.

<corpus>/manifest.json         counts of every row, settings, fingerprint
<corpus>/samples/<source>/*.parquet            samples; the manifest lists the files in order
<corpus>/images/                               image store, unless the corpus shares another one
<corpus>/quarantine/<step>/<source>/*.parquet  dropped rows with reason and origin
<corpus>/records/<source>/*.parquet            records of the sources, clean and checked
<corpus>/decisions/<source>/*.parquet          whether each record is kept, else why not
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from palo import storage
from palo.data.manifest import CORPUS_VERSION, Manifest, read_manifest
from palo.data.samples import SAMPLE_SCHEMA, Sample
from palo.errors import DataError, MismatchError
from palo.images.store import ImageStore

_CACHE_BYTES = 128 << 20
_REQUESTS_AT_ONCE = 16


class Corpus:
    """A finished corpus; `open_corpus` makes one.

    Args:
        folder: Folder of the corpus.
        manifest: Its manifest.
        samples: A copy of its samples files, under their names in it; None reads its own.

    Attributes:
        folder: Folder of the corpus.
        manifest: Its manifest.
        lengths: (samples,) int32 text tokens of each sample, in sample order.
        num_targets: (samples,) int32 trained tokens of each sample.
        has_image: (samples,) whether the sample has an image.
        languages: (samples,) ISO 639-1 code of each sample.
        images: The image store, or None without images.

    Raises:
        DataError: If it doesn't hold the samples of its manifest.
    """

    def __init__(self, folder: Path, manifest: Manifest, samples: Path | None = None) -> None:
        self.folder = folder
        self.manifest = manifest
        self.images: ImageStore | None = None
        if manifest.image_store is not None:
            self.images = ImageStore(storage.follow(folder, manifest.image_store))
        names = tuple(manifest.files)
        self._paths = [(samples or folder) / name for name in names]
        self._files = open_samples(samples or folder, names)
        self._groups = [
            (number, group)
            for number, file in enumerate(self._files)
            for group in range(file.num_row_groups)
        ]
        sizes = [
            self._files[number].metadata.row_group(group).num_rows for number, group in self._groups
        ]
        self._ends = np.cumsum([0, *sizes])
        self._cache: OrderedDict[int, pa.Table] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()
        if len(self) == 0 or len(self) != manifest.num_samples:
            raise DataError(
                f"the corpus {folder} does not hold the samples of its manifest",
                seen=f"{len(self)} instead of {manifest.num_samples}",
                fix="Build the corpus again.",
            )
        columns = [read_columns(file) for file in self._files]
        self.lengths: npt.NDArray[np.int32] = np.concatenate([c.lengths for c in columns])
        self.num_targets: npt.NDArray[np.int32] = np.concatenate([c.num_targets for c in columns])
        self.has_image: npt.NDArray[np.bool_] = np.concatenate([c.has_image for c in columns])
        self.languages: npt.NDArray[np.str_] = np.concatenate([c.languages for c in columns])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def check(self, *, tokenizer_fingerprint: str, tower_fingerprint: str, template: str) -> None:
        """Refuses a corpus that was made for another tokenizer, tower or template.

        Args:
            tokenizer_fingerprint: Of the run's tokenizer.
            tower_fingerprint: Of the run's image tower.
            template: Name of the run's template.

        Raises:
            MismatchError: If one of them differs. Stored pixels and text fit every tower.
        """
        wanted = {
            "tokenizer": (self.manifest.tokenizer_fingerprint, tokenizer_fingerprint),
            "tower": (self.manifest.tower_fingerprint or tower_fingerprint, tower_fingerprint),
            "template": (self.manifest.template, template),
        }
        for name, (own, other) in wanted.items():
            if own != other:
                raise MismatchError(
                    f"the corpus {self.folder} was made for another {name}",
                    seen=f"{own}, this run has {other}",
                    fix="Build the corpus with this run's settings, or change the recipe.",
                )

    def read(self, indices: Iterable[int]) -> list[Sample]:
        """Reads samples by number; recently used row groups stay in memory, up to 128 MiB.

        Args:
            indices: Numbers of the samples.

        Raises:
            IndexError: If there is no such sample.
        """
        return [self._sample(index) for index in indices]

    def fetch(self, indices: Iterable[int]) -> None:
        """Reads the row groups of samples on S3 into memory, many at once; does nothing on a disk.

        They stay there as long as those that `read` reads.

        Args:
            indices: Numbers of the samples, of one step for example.
        """
        groups = list(dict.fromkeys(self._group_of(index) for index in indices))
        with self._lock:
            missing = [group for group in groups if group not in self._cache]
        missing = [g for g in missing if isinstance(self._path(g), storage.S3Path)]
        if not missing:
            return
        with ThreadPoolExecutor(min(len(missing), _REQUESTS_AT_ONCE)) as pool:
            for group, table in zip(missing, pool.map(self._read_apart, missing), strict=True):
                with self._lock:
                    self._keep(group, table)

    def _path(self, group: int) -> Path:
        return self._paths[self._groups[group][0]]

    def _read_apart(self, number: int) -> pa.Table:
        """Reads a row group by a file of its own: an open one is not thread-safe."""
        index, group = self._groups[number]
        with storage.wrap_os_errors("read", self._paths[index]):
            opened = storage.reopen_parquet(self._paths[index], self._files[index])
            return opened.read_row_group(group)

    def _group_of(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"the corpus has samples 0 to {len(self) - 1}, not {index}")
        return int(np.searchsorted(self._ends, index, side="right")) - 1

    def _sample(self, index: int) -> Sample:
        group = self._group_of(index)
        table, row = self._group(group), index - int(self._ends[group])
        spans = table.column("label_spans")[row].values
        image_id = table.column("image_id")[row].as_py()
        texts = {
            name: table.column(name)[row].as_py()
            for name in ("sample_id", "record_id", "language", "source")
        }
        return Sample(
            **texts,
            image_id=image_id,
            input_ids=table.column("input_ids")[row].values.to_numpy(),
            label_spans=np.stack([spans.field("start"), spans.field("end")], axis=1),
        )

    def _group(self, number: int) -> pa.Table:
        with self._lock:  # neither a Parquet file nor the cache is thread-safe
            if (table := self._cache.get(number)) is not None:
                self._cache.move_to_end(number)
                return table
            index, group = self._groups[number]
            with storage.wrap_os_errors("read", self.folder):
                table = self._files[index].read_row_group(group)
            self._keep(number, table)
            return table

    def _keep(self, number: int, table: pa.Table) -> None:
        if number in self._cache:
            return
        self._cache[number] = table
        self._cached_bytes += table.nbytes
        while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes


def open_corpus(folder: Path, samples: Path | None = None) -> Corpus:
    """Opens a finished corpus.

    Args:
        folder: Folder of the corpus.
        samples: A copy of its samples files, under their names in it; None reads its own.

    Raises:
        DataError: If the folder holds none, or one whose build did not finish.
        MismatchError: If an older version built it.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise DataError(
            f"no finished corpus in {folder}",
            seen="manifest.json is missing",
            fix="Build it with jobs/build_corpus.py.",
        )
    manifest = read_manifest(path)
    version = manifest.settings.get("version", CORPUS_VERSION)
    if version != CORPUS_VERSION:
        raise MismatchError(
            f"the corpus {folder} is of another version",
            seen=f"version {version}, not {CORPUS_VERSION}",
            fix="Build it again with jobs/build_corpus.py.",
        )
    return Corpus(folder, manifest, samples)


def open_samples(corpus: Path, files: Sequence[str]) -> list[pq.ParquetFile]:
    """Opens the samples files of a corpus.

    Args:
        corpus: Its folder.
        files: Their paths in it, in order.

    Raises:
        MismatchError: If one of them has other columns than samples have.
        StorageError: If one can't be read.
    """
    return [storage.open_parquet(corpus / name, SAMPLE_SCHEMA) for name in files]


class SampleColumns(NamedTuple):
    """What the plan needs of the samples of one file; see `Corpus`."""

    lengths: npt.NDArray[np.int32]
    num_targets: npt.NDArray[np.int32]
    has_image: npt.NDArray[np.bool_]
    languages: npt.NDArray[np.str_]


def read_columns(file: pq.ParquetFile) -> SampleColumns:
    """Reads the columns of one file that the plan needs.

    Args:
        file: An open samples file.
    """
    table = file.read(columns=["num_text_tokens", "label_spans", "image_id", "language"])
    spans = table.column("label_spans").combine_chunks()
    flat = spans.flatten()
    # A token at position 0 has none before it that could predict it.
    sizes = pc.subtract(flat.field("end"), pc.max_element_wise(flat.field("start"), 1))
    offsets = spans.offsets.to_numpy() - spans.offsets[0].as_py()
    totals = np.concatenate([[0], np.cumsum(sizes.to_numpy(zero_copy_only=False))])
    return SampleColumns(
        lengths=table.column("num_text_tokens").to_numpy(),
        num_targets=(totals[offsets[1:]] - totals[offsets[:-1]]).astype(np.int32),
        has_image=pc.is_valid(table.column("image_id")).to_numpy(),
        languages=np.asarray(table.column("language").to_pylist(), np.str_),
    )
