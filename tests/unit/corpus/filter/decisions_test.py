import hashlib

import numpy as np
import pytest
from tests.fixtures.corpora import write_images, write_records

from palo.corpus.filter.decisions import (
    DECISION_SCHEMA,
    FilterDecision,
    FilterDecisions,
    later_and_first,
    used_images,
)
from palo.corpus.filter.mixture import EVERYTHING, MixtureSettings
from palo.corpus.parse.record_files import RecordFile, read_index
from palo.data.records import Record
from palo.reasons import Reason
from palo.text.messages import Turn

NAMES = ("first", "second")


def image_id(name):
    return hashlib.sha256(name.encode()).hexdigest()


def record(offset, answer="yes", language="en", image=None):
    return Record(
        record_id=f"s/{offset}@{offset}",
        language=language,
        source="s",
        licence="",
        image=image,
        turns=(Turn("user", "Is it?", int(image is not None)), Turn("assistant", answer)),
    )


@pytest.fixture
def index(tmp_path):
    files = [
        ("records/first/00.parquet", 0, [record(0), record(5, "no"), record(7, image="a.jpg")]),
        ("records/first/10.parquet", 0, [record(10, image="copy.jpg"), record(15, image="b.jpg")]),
        (
            "records/second/00.parquet",
            1,
            [record(0), record(9, language="fr"), record(12, image="gone.jpg")],
        ),
    ]
    for name, _, records in files:
        write_records(tmp_path / name, records)
    return read_index(
        tmp_path,
        [RecordFile(name=name, num_rows=len(rows), digest=name) for name, _, rows in files],
        [source for _, source, _ in files],
    )


@pytest.fixture
def images(tmp_path):
    return write_images(
        tmp_path,
        ("a.jpg", image_id("a"), None),
        ("b.jpg", image_id("b"), None),
        ("copy.jpg", image_id("a"), None),
        ("gone.jpg", None, "image is missing"),
    )


def test_the_index_holds_what_the_files_hold(index):
    assert len(index) == 8
    assert index.starts.tolist() == [0, 3, 5, 8]
    assert index.sources.tolist() == [0] * 5 + [1] * 3
    assert index.row_offsets.tolist() == [0, 5, 7, 10, 15, 0, 9, 12]
    assert [index.codes[number] for number in index.languages] == ["en"] * 6 + ["fr", "en"]
    shown = [index.paths[number].as_py() if number >= 0 else None for number in index.image_numbers]
    assert shown == [None, None, "a.jpg", "copy.jpg", "b.jpg", None, None, "gone.jpg"]
    assert (index.digests[0] == index.digests[5]).all()
    assert (index.digests[0] != index.digests[1]).any()
    assert [part.tolist() for part in index.split(np.array([1, 4, 5, 7]))] == [[1], [1], [0, 2]]


def test_an_index_of_nothing_is_empty(tmp_path):
    index = read_index(tmp_path, [], [])
    assert len(index) == len(index.paths) == len(index.digests) == 0


def test_each_record_has_its_decision(index, images):
    decisions = FilterDecisions(index, images, NAMES, EVERYTHING)
    decisions.drop_duplicates()
    decisions.drop_unchosen()
    keep, duplicate, image = FilterDecision.KEEP, FilterDecision.DUPLICATE, FilterDecision.IMAGE
    assert decisions.decisions.tolist() == [keep] * 3 + [duplicate, keep, duplicate, keep, image]
    assert [decisions.table(number).schema for number in range(3)] == [DECISION_SCHEMA] * 3
    assert decisions.table(0)["stage"].to_pylist() == [None] * 3
    assert decisions.table(0)["image_id"].to_pylist() == [None, None, image_id("a")]
    repeated = Reason.DUPLICATE.value
    assert [tuple(row.values()) for row in decisions.table(1).to_pylist()] == [
        ("duplicate", repeated, "of first@7", None),
        (None, None, "", image_id("b")),
    ]
    assert [tuple(row.values()) for row in decisions.table(2).to_pylist()] == [
        ("duplicate", repeated, "of first@0", None),
        (None, None, "", None),
        ("image", "image is missing", "", None),
    ]


def test_what_nobody_may_ask_for_goes_with_the_mixture(index, images):
    mixture = MixtureSettings(languages=("fr",))
    paths, uses = used_images(index, mixture)
    assert (len(paths), len(uses)) == (0, 0)
    decisions = FilterDecisions(index, images, NAMES, mixture)
    decisions.drop_unchosen()
    assert np.flatnonzero(decisions.decisions == FilterDecision.KEEP).tolist() == [6]
    assert set(decisions.decisions.tolist()) == {FilterDecision.KEEP, FilterDecision.MIXTURE}


def test_images_are_counted_by_use(index):
    paths, uses = used_images(index, EVERYTHING)
    assert dict(zip(paths.to_pylist(), uses.tolist(), strict=True)) == {
        "a.jpg": 1,
        "copy.jpg": 1,
        "b.jpg": 1,
        "gone.jpg": 1,
    }


def test_a_files_images_have_a_digest_of_what_is_known(index, images, tmp_path):
    digests = [FilterDecisions(index, images, NAMES, EVERYTHING).digest(n) for n in range(3)]
    assert len(set(digests)) == 3
    rows = [("a.jpg", image_id("other"), None), *((p, image_id(p), None) for p in ("b", "c"))]
    other = FilterDecisions(index, write_images(tmp_path, *rows), NAMES, EVERYTHING)
    assert other.digest(0) != digests[0]
    moved = write_images(tmp_path, ("a.jpg", image_id("a"), None))
    assert FilterDecisions(index, moved, NAMES, EVERYTHING).digest(0) == digests[0]


def test_near_duplicates_are_sought_within_language_and_image(index, images):
    decisions = FilterDecisions(index, images, NAMES, EVERYTHING)
    scopes = decisions.scopes()
    assert scopes[2] == scopes[3]
    assert len({int(scope) for scope in scopes[[0, 2, 4, 6]]}) == 4
    decisions.drop_near_duplicates(np.array([[1, 0]]))
    assert decisions.decisions[1] == FilterDecision.NEAR_DUPLICATE
    assert 1 not in decisions.kept


def test_the_first_stays():
    digests = np.array([[1, 1], [2, 2], [1, 1], [1, 2], [2, 2], [1, 1]], np.uint64)
    every = np.arange(6)
    assert later_and_first(digests, every).tolist() == [[2, 0], [4, 1], [5, 0]]
    assert later_and_first(digests, np.array([1, 2, 4, 5])).tolist() == [[4, 1], [5, 2]]
    assert later_and_first(digests, every[:0]).tolist() == []


def test_rows_are_told_from_random_ones_as_a_dictionary_would():
    digests = np.random.default_rng(0).integers(0, 30, (500, 2)).astype(np.uint64)
    first: dict[tuple[int, ...], int] = {}
    expected = []
    for row, digest in enumerate(map(tuple, digests.tolist())):
        if first.setdefault(digest, row) != row:
            expected.append([row, first[digest]])
    assert later_and_first(digests, np.arange(500)).tolist() == expected
