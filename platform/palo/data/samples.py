"""Samples: records as token ids and label spans, the rows that training reads.

Image tokens are not in here: one sentinel stands for each image, so that one corpus serves
projectors with 576 and with 144 tokens an image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from palo import storage

_ROWS_PER_GROUP = 256

SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("image_id", pa.string()),
        pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
        pa.field(
            "label_spans",
            pa.list_(pa.struct([pa.field("start", pa.int32()), pa.field("end", pa.int32())])),
            nullable=False,
        ),
        pa.field("num_text_tokens", pa.int32(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One row of a samples file.

    Attributes:
        sample_id: Name of the sample, unique within its corpus.
        record_id: Name of the record that it comes from.
        language: ISO 639-1 code.
        source: Name of the record's source.
        image_id: SHA-256 of the image file as hexadecimal digits, or None.
        input_ids: (length,) int32 token ids, with one sentinel for each image.
        label_spans: (spans, 2) int32 half-open spans of `input_ids` that are trained.
    """

    sample_id: str
    record_id: str
    language: str
    source: str
    image_id: str | None
    input_ids: npt.NDArray[np.int32]
    label_spans: npt.NDArray[np.int32]


def write_samples(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes one file of samples, whole or not at all.

    Row groups are small, because training reads samples in random order and a group is the least
    that can be read.

    Args:
        path: The file; files of a corpus are read in the order of their names.
        rows: Samples as SAMPLE_SCHEMA has them.

    Raises:
        StorageError: If it can't be written.
    """
    table = pa.Table.from_pylist(list(rows), schema=SAMPLE_SCHEMA)
    with storage.replacing(path) as partial:
        pq.write_table(table, partial, row_group_size=_ROWS_PER_GROUP, compression="zstd")
