"""What a source would become is shown before anything is built."""

import json

import pytest

from palo.corpus.config import SourceConfig
from palo.corpus.report.source_preview import default_images, preview_lines, preview_source
from palo.recipes.nano import BASE
from palo.text.tokenizer import load_tokenizer

ROWS = [
    {"image": "a.jpg", "caption": "A dog runs over the green grass."},
    {"image": "b.jpg", "query": "What?", "response": "Two cats sleep.", "system": "Be brief."},
    {"query": "Was?", "response": "A plain answer without an image.", "language": "urd"},
    {"picture_b64": "iVBOR", "query": "What?", "response": "Nothing."},
    {"foo": 1},
]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)) + "\nno json")
    return SourceConfig(name="source", path=path, images=tmp_path, language="en")


def test_a_source_is_counted_as_a_build_would_count_it(source):
    found = preview_source(source, None, most_rows=100, count=1)
    assert (found.num_rows, found.is_whole) == (6, True)
    assert found.files == ((str(source.path), "jsonl"),)
    assert found.layouts == {"image and caption": 1, "query and response": 3, "none": 2}
    assert found.kept == {"en": 2}
    assert {reason: count for reason, (count, _) in found.refused.items()} == {
        "not in its language": 1,
        "image in a form that isn't read": 1,
        "no turns": 1,
        "not JSON": 1,
    }
    assert "picture_b64" in found.refused["image in a form that isn't read"][1]
    assert found.images == {"found": 1, "missing": 1}
    assert found.missing.endswith("/b.jpg")
    assert len(found.samples) == 1


def test_the_first_rows_are_enough(source):
    found = preview_source(source, None, most_rows=2, count=9)
    assert (found.num_rows, found.is_whole) == (2, False)
    lines = "\n".join(preview_lines(found))
    for part in ("2, the first ones", "English 2", "missing 1", "b.jpg", "system: Be brief."):
        assert part in lines


def test_samples_are_shown_as_the_model_would_read_them(source):
    found = preview_source(source, load_tokenizer(BASE / "tokenizer"), most_rows=9, count=2)
    assert len(found.num_text_tokens) == 2
    lines = "\n".join(preview_lines(found))
    assert f"{sum(found.num_text_tokens):,} of text" in lines
    assert "ASSISTANT:" in lines
    assert "Be brief." in lines
    assert "[image]" in lines


def test_images_are_looked_for_beside_the_file(source, tmp_path):
    assert default_images(source.path) == tmp_path
    assert default_images(tmp_path) == tmp_path
