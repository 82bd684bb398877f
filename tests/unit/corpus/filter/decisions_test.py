import hashlib

import numpy as np
import pytest
from tests.fixtures.corpora import write_images, write_records

from palo.corpus.filter.decisions import (
    FilterDecision,
    FilterDecisions,
    RepeatedRecord,
    unpack,
    used_images,
)
from palo.corpus.mixture import EVERYTHING, MixtureSettings
from palo.corpus.parse.record_index import RecordFile, read_index
from palo.data.records import Record
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
        tmp_path, [RecordFile(name, source, len(rows), name) for name, source, rows in files]
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
    assert index.places.tolist() == [0, 5, 7, 10, 15, 0, 9, 12]
    assert [index.codes[number] for number in index.languages] == ["en"] * 6 + ["fr", "en"]
    shown = [index.paths[number].as_py() if number >= 0 else None for number in index.image_numbers]
    assert shown == [None, None, "a.jpg", "copy.jpg", "b.jpg", None, None, "gone.jpg"]
    assert (index.digests[0] == index.digests[5]).all()
    assert (index.digests[0] != index.digests[1]).any()
    assert [part.tolist() for part in index.split(np.array([1, 4, 5, 7]))] == [[1], [1], [0, 2]]


def test_an_index_of_nothing_is_empty(tmp_path):
    index = read_index(tmp_path, [])
    assert len(index) == len(index.paths) == len(index.digests) == 0


def test_each_record_meets_its_fate(index, images):
    fates = FilterDecisions(index, images, NAMES, EVERYTHING)
    fates.drop_duplicates()
    fates.drop_unchosen()
    kept, duplicate, image = FilterDecision.KEPT, FilterDecision.DUPLICATE, FilterDecision.IMAGE
    assert fates.fates.tolist() == [kept] * 3 + [duplicate, kept, duplicate, kept, image]
    assert fates.packed(0) == ""
    assert unpack(fates.packed(0), 3).tolist() == [kept] * 3
    assert unpack(fates.packed(2), 3).tolist() == [duplicate, kept, image]
    assert fates.repeated(1) == (RepeatedRecord(row=0, source="first", place=7),)
    assert fates.repeated(2) == (RepeatedRecord(row=0, source="first", place=0),)


def test_what_nobody_may_ask_for_goes_with_the_mixture(index, images):
    mixture = MixtureSettings(languages=("fr",))
    paths, uses = used_images(index, mixture)
    assert (len(paths), len(uses)) == (0, 0)
    fates = FilterDecisions(index, images, NAMES, mixture)
    fates.drop_unchosen()
    assert np.flatnonzero(fates.fates == FilterDecision.KEPT).tolist() == [6]
    assert set(fates.fates.tolist()) == {FilterDecision.KEPT, FilterDecision.MIXTURE}


def test_images_are_counted_by_use(index):
    paths, uses = used_images(index, EVERYTHING)
    assert dict(zip(paths.to_pylist(), uses.tolist(), strict=True)) == {
        "a.jpg": 1,
        "copy.jpg": 1,
        "b.jpg": 1,
        "gone.jpg": 1,
    }


def test_a_files_images_have_a_digest_of_what_is_known(index, images, tmp_path):
    digests = [FilterDecisions(index, images, NAMES, EVERYTHING).image_digest(n) for n in range(3)]
    assert len(set(digests)) == 3
    rows = [("a.jpg", image_id("other"), None), *((p, image_id(p), None) for p in ("b", "c"))]
    other = FilterDecisions(index, write_images(tmp_path, *rows), NAMES, EVERYTHING)
    assert other.image_digest(0) != digests[0]
    moved = write_images(tmp_path, ("a.jpg", image_id("a"), None))
    assert FilterDecisions(index, moved, NAMES, EVERYTHING).image_digest(0) == digests[0]


def test_near_duplicates_are_sought_within_language_and_image(index, images):
    fates = FilterDecisions(index, images, NAMES, EVERYTHING)
    scopes = fates.scopes()
    assert scopes[2] == scopes[3]
    assert len({int(scope) for scope in scopes[[0, 2, 4, 6]]}) == 4
    fates.drop_near_duplicates(np.array([[1, 0]]))
    assert fates.fates[1] == FilterDecision.NEAR_DUPLICATE
    assert 1 not in fates.kept
