import numpy as np
import pyarrow as pa

from palo.data.samples import SAMPLE_SCHEMA, sample_table


def row(number, ids, spans, image_id=None):
    return {
        "sample_id": f"made/{number}@0/0",
        "record_id": f"made/{number}@0",
        "language": "ur",
        "source": "made",
        "image_id": image_id,
        "input_ids": ids,
        "label_spans": spans,
        "num_text_tokens": len(ids),
        "truncated": number == 1,
    }


def test_the_table_is_the_one_that_rows_would_give():
    rows = [
        row(0, [1, -200, 31999], [(1, 2), (2, 3)], "0" * 64),
        row(1, np.array([5, 6], "<i4"), np.array([[0, 2]], "<i4")),
        row(2, [], []),
    ]
    table = sample_table(rows)
    table.validate(full=True)
    plain = [
        values | {"label_spans": [{"start": s, "end": e} for s, e in values["label_spans"]]}
        for values in rows
    ]
    assert table == pa.Table.from_pylist(plain, schema=SAMPLE_SCHEMA)
    assert len(sample_table([])) == 0
