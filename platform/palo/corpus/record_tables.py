"""Records as Arrow tables: whole columns at once, since a row at a time costs ten times more."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import pyarrow as pa

from palo.corpus.parse.duplicates import DIGEST_BYTES
from palo.data.records import RECORD_SCHEMA, Record
from palo.text.messages import Turn

_TURNS = RECORD_SCHEMA.field("turns").type
_PLAIN = [name for name in RECORD_SCHEMA.names if name not in ("turns", "gates")]


RECORD_FILE_SCHEMA = pa.schema(
    [
        *RECORD_SCHEMA,
        pa.field("place", pa.int64(), nullable=False),
        pa.field("digest", pa.binary(DIGEST_BYTES), nullable=False),
    ]
)


class FiledRecord(NamedTuple):
    """A record as a file of records holds it.

    Attributes:
        record: The record.
        place: Where in its source it is, as `Piece.place_of` numbers it.
        digest: What tells its language and turns from others.
    """

    record: Record
    place: int
    digest: bytes


def file_table(rows: Sequence[FiledRecord]) -> pa.Table:
    """Returns records as a table of RECORD_FILE_SCHEMA."""
    columns = record_table([row.record for row in rows]).columns
    columns.append(pa.array([row.place for row in rows], pa.int64()))
    columns.append(pa.array([row.digest for row in rows], pa.binary(DIGEST_BYTES)))
    return pa.table(columns, schema=RECORD_FILE_SCHEMA)


def record_table(records: Sequence[Record]) -> pa.Table:
    """Returns records as a table of RECORD_SCHEMA."""
    turns = [turn for record in records for turn in record.turns]
    values = [
        [turn.role for turn in turns],
        [turn.text for turn in turns],
        [turn.num_images for turn in turns],
    ]
    fields = list(_TURNS.value_type)
    struct = pa.StructArray.from_arrays(
        [pa.array(value, field.type) for value, field in zip(values, fields, strict=True)],
        fields=fields,
    )
    ends = accumulate((len(record.turns) for record in records), initial=0)
    gates = [None if record.gates is None else list(record.gates.items()) for record in records]
    columns = {
        name: pa.array(
            [getattr(record, name) for record in records], RECORD_SCHEMA.field(name).type
        )
        for name in _PLAIN
    }
    columns["turns"] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), struct, type=_TURNS)
    columns["gates"] = pa.array(gates, RECORD_SCHEMA.field("gates").type)
    return pa.table([columns[name] for name in RECORD_SCHEMA.names], schema=RECORD_SCHEMA)


def records_of(table: pa.Table) -> Iterator[Record]:
    """Yields the records of a table of RECORD_SCHEMA."""
    for batch in table.to_batches():
        lists = batch.column("turns")
        parts = [part.to_pylist() for part in lists.values.flatten()]
        turns = [Turn(*values) for values in zip(*parts, strict=True)]
        plain = {name: batch.column(name).to_pylist() for name in _PLAIN}
        gates = batch.column("gates").to_pylist()
        offsets = lists.offsets.to_pylist()
        for number, (start, end) in enumerate(pairwise(offsets)):
            gate = gates[number]
            yield Record(
                **{name: values[number] for name, values in plain.items()},
                turns=tuple(turns[start:end]),
                gates=None if gate is None else dict(gate),
            )
