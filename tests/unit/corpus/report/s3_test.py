"""A corpus on S3 is looked into as one on disk."""

import json

import pytest

from palo.corpus.report.report import write_report
from palo.corpus.report.show import Inspector, lines_of
from palo.errors import DataError


@pytest.fixture
def on_s3(bucket, write_inspected):
    folder, remote = write_inspected(), bucket / "runs" / "corpus"
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            remote.joinpath(*path.relative_to(folder).parts).write_bytes(path.read_bytes())
    return remote


def test_report_rows_shards_and_export(on_s3, tmp_path):
    page = write_report(on_s3)
    assert str(page).startswith("s3://")
    text = page.read_text(encoding="utf-8")
    assert "/runs/corpus</h1>" in text
    assert text.count("<img") == 3
    assert "Group 1: 1 like the first" in text
    inspector = Inspector(on_s3)
    assert "left out at parse" in inspector.row("made@400")[1][0]
    shard = on_s3 / "records" / "made" / f"{0:018d}.parquet"
    assert len(list(lines_of(inspector.shard(shard, 9)))) > 9
    target = on_s3 / "repair.jsonl"
    assert inspector.export(target, (), ()) == 3
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert {row["quarantine"]["step"] for row in rows} == {"parse", "near_duplicate"}


def test_a_folder_without_a_corpus_is_told(bucket):
    with pytest.raises(DataError, match="there is no corpus in s3://"):
        Inspector(bucket / "nothing")
