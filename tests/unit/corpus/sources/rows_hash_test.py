"""The hash of a source's rows is that of the build, however the source is split."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palo import languages
from palo.corpus.config import CleaningSettings
from palo.corpus.parse.worker import ParseTask, parse_split
from palo.corpus.quarantine import SourceFile
from palo.corpus.sources import split_source
from palo.corpus.sources.rows_hash import joined_hash, source_hash
from palo.data.records import Origin

ROWS = [{"image": f"{number}.png", "caption": "[{,}]" * (number % 7)} for number in range(40)]


@pytest.fixture(params=["lines", "array", "parquet"])
def source(request, tmp_path):
    path = (
        tmp_path / f"source.{ {'lines': 'jsonl', 'array': 'json'}.get(request.param, 'parquet') }"
    )
    if request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=7)
    elif request.param == "array":
        path.write_text(json.dumps(ROWS))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_it_is_the_hash_that_a_build_names(source, tmp_path) -> None:
    results = [
        parse_split(
            ParseTask(
                corpus=tmp_path / "corpus",
                source=SourceFile(name="made", path=source),
                split=split,
                origin=Origin(source="made", language="en", languages=("en",)),
                cleaning=CleaningSettings(),
                known=tuple(languages.every()),
            )
        ).result
        for split in split_source(source)
    ]
    assert source_hash([source]) == joined_hash(result.sha256 for result in results)


def test_a_changed_row_and_another_order_of_files_change_it(tmp_path) -> None:
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    one.write_text('{"id": 1}\n')
    two.write_text('{"id": 2}\n')
    hashes = {source_hash([one, two]), source_hash([two, one]), source_hash([one])}
    one.write_text('{"id": 3}\n')
    assert len({*hashes, source_hash([one, two])}) == 4
