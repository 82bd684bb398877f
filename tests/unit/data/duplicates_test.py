import base64
import random
import resource

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palo.data.duplicates import DigestTask, Duplicate, DuplicateFinder, digest_records
from palo.data.picture_step import PICTURE_SCHEMA
from palo.data.record_tables import record_table
from palo.data.records import Record
from palo.text.messages import Turn


def record(offset, answer="yes", language="en", image=None, question="Is it?"):
    return Record(
        record_id=f"s/{offset}@{offset}",
        language=language,
        source="s",
        licence="",
        image=image,
        turns=(Turn("user", question, int(image is not None)), Turn("assistant", answer)),
    )


@pytest.fixture
def digest(tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    same = {"num_bytes": 1, "modified_ns": 1, "detail": ""}
    pictures = [
        {"path": "a.jpg", "image_id": "0" * 64, "reason": None, **same},
        {"path": "copy_of_a.jpg", "image_id": "0" * 64, "reason": None, **same},
        {"path": "b.jpg", "image_id": "1" * 64, "reason": None, **same},
        {"path": "gone.jpg", "image_id": None, "reason": "image is missing", **same},
        {"path": "lost.jpg", "image_id": None, "reason": "image is missing", **same},
    ]
    pq.write_table(
        pa.Table.from_pylist(pictures, schema=PICTURE_SCHEMA), tmp_path / "pictures.parquet"
    )

    def run(name, *records):
        pq.write_table(record_table(records), folder / name)
        return digest_records(DigestTask(corpus=tmp_path, name=name))

    return run


def found(results):
    finder = DuplicateFinder()
    for result in results:
        finder.add(result)
    return finder.duplicates()


def test_only_records_that_are_the_same_in_everything_are_one(digest):
    result = digest(
        "000-0.parquet",
        record(0),
        record(10, language="fr"),
        record(20, answer="no"),
        record(30, question="Is it? "),
        record(40, image="a.jpg"),
        record(50, image="b.jpg"),
        record(60, image="copy_of_a.jpg"),
        record(70, image="gone.jpg"),
        record(80, image="lost.jpg"),
        record(90),
    )
    assert found([result]) == {
        "000-0.parquet": (
            Duplicate(offset=60, first=(0, 40)),
            Duplicate(offset=90, first=(0, 0)),
        )
    }


def test_turns_do_not_run_into_one_another(digest):
    assert not found(
        [digest("000-0.parquet", record(0, "ab", question="c"), record(1, "b", question="ca"))]
    )


def test_the_first_in_the_sources_order_stays_whichever_task_is_done_first(digest):
    results = [
        digest("000-00.parquet", record(0, "x"), record(5)),
        digest("000-10.parquet", record(10), record(15, "y")),
        digest("002-00.parquet", record(0), record(7, "y"), record(9, "z")),
    ]
    expected = {
        "000-10.parquet": (Duplicate(offset=10, first=(0, 5)),),
        "002-00.parquet": (
            Duplicate(offset=0, first=(0, 5)),
            Duplicate(offset=7, first=(0, 15)),
        ),
    }
    for seed in range(5):
        random.Random(seed).shuffle(results)
        assert found(results) == expected


def test_nothing_is_a_duplicate_of_nothing():
    assert DuplicateFinder().duplicates() == {}


def test_two_million_records_fit_into_memory():
    rng = np.random.default_rng(0)
    finder = DuplicateFinder()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(500):
        digests = rng.integers(0, 1 << 63, (4200, 2), dtype=np.uint64)
        digests[0] = 7
        result = {
            "name": f"000-{number:05d}.parquet",
            "digests": base64.b64encode(digests.tobytes()).decode(),
            "offsets": base64.b64encode(np.arange(4200, dtype="<i8").tobytes()).decode(),
        }
        assert finder.add(result) == 4200
    assert sum(map(len, finder.duplicates().values())) == 499
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 400  # measured: 201
