"""Scenes as a translation's source, and the reviewer who knows their words."""

import json
from dataclasses import replace

import pytest

from palo.data.records import Origin, parse_llava
from palo.pipeline.translated_scenes import (
    REVIEWER,
    correct,
    draw_source,
    languages_with_books,
)
from palo.translate.review.store import ReviewStore
from palo.translate.translated import Translated


@pytest.fixture
def source(tmp_path):
    return draw_source(tmp_path / "scenes", ("es", "ur"), num_conversations=2, num_rounds=2, seed=3)


def test_conversations_are_records_with_images(source):
    rows = [json.loads(line) for line in source.rows.read_text("utf-8").splitlines()]
    origin = Origin(source="scenes", image_folder=str(source.folder), languages=("en",))
    records = [parse_llava(row, origin, str(place)) for place, row in enumerate(rows)]
    assert [len(record.turns) for record in records] == [4, 4]
    assert all(record.turns[0].num_images == 1 for record in records)
    assert len(list((source.folder / "images").glob("*.png"))) == 2
    again = draw_source(source.folder, ("es", "ur"), num_conversations=2, num_rounds=2, seed=3)
    assert [json.loads(line) for line in again.rows.read_text("utf-8").splitlines()] == rows


def test_the_reviewer_knows_the_right_words(source, tmp_path):
    rows = [json.loads(line) for line in source.rows.read_text("utf-8").splitlines()]
    origin = Origin(source="scenes", image_folder=str(source.folder), languages=("en",))
    record = parse_llava(rows[0], origin, "0")
    made = Translated(
        source=record, language="ur", texts=("غلط؟", "غلط۔") * 2, translator="apertium"
    )
    store = ReviewStore(tmp_path / "review")
    store.add([made, replace(made, language="es", texts=("¿Mal?", "Mal.") * 2)])
    assert correct(store, source) == 2
    urdu, _ = store.results()
    assert urdu.reviewer == REVIEWER
    assert all(text.endswith("؟") for text in urdu.texts[::2])
    assert all(text.endswith("۔") for text in urdu.texts[1::2])
    assert correct(store, source) == 0


def test_english_and_unknown_languages_are_no_translations():
    assert len(list(languages_with_books(("en", "xx", "ur")))) == 2
