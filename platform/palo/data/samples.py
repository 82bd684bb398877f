"""Samples: records as token ids and label spans, the rows that training reads.

They hold no image tokens: one sentinel stands for each image, so that one corpus serves projectors
with 576 and with 144 tokens an image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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


def write_samples(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes one file of samples, whole or not at all.

    Row groups are small, because training reads samples in random order and a group is the least
    that can be read.

    Args:
        path: The file.
        rows: Samples with the fields of `Sample`, and num_text_tokens and truncated.

    Raises:
        StorageError: If it can't be written.
    """
    storage.write_table(
        path,
        sample_table(rows),
        rows_per_group=_ROWS_PER_GROUP,
        repeating=("language", "source", "image_id"),
        split_bytes=("input_ids.list.element",),
    )


def sample_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Returns samples as a table of SAMPLE_SCHEMA.

    Args:
        rows: As in `write_samples`.
    """
    columns: dict[str, pa.Array] = {}
    for field in SAMPLE_SCHEMA:
        values = [row[field.name] for row in rows]
        if field.name == "input_ids":
            columns[field.name] = _lists(values, pa.array(_flat(values)), field.type)
        elif field.name == "label_spans":
            ends = _flat(values).reshape(-1, 2)
            spans = pa.StructArray.from_arrays(
                [pa.array(ends[:, 0]), pa.array(ends[:, 1])], fields=list(field.type.value_type)
            )
            columns[field.name] = _lists(values, spans, field.type)
        else:
            columns[field.name] = pa.array(values, field.type)
    return pa.table(columns, schema=SAMPLE_SCHEMA)


def _flat(values: Sequence[Sequence[Any]]) -> npt.NDArray[np.int32]:
    empty = np.empty(0, np.int32)
    return np.concatenate([empty, *(np.asarray(value, np.int32).reshape(-1) for value in values)])


def _lists(values: Sequence[Sequence[Any]], flat: pa.Array, kind: pa.DataType) -> pa.Array:
    ends = accumulate(map(len, values), initial=0)
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat, type=kind)
