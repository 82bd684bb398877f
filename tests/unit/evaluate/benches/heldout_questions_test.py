import json

import pytest

from palo.errors import DataError, PaloError
from palo.evaluate.benches.sources.scenes import read_questions

ROW = {
    "id": "a",
    "image": "one.png",
    "language": "ar",
    "kind": "colour",
    "question": "ما لونه؟",
    "answer": "أحمر.",
}


@pytest.fixture
def write(tmp_path):
    """Writes lines, as they are or as JSON, and an image that they may name."""

    def lines(*rows):
        (tmp_path / "one.png").touch()
        texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / "questions.jsonl"
        path.write_text("\n".join(texts), encoding="utf-8")
        return path

    return lines


def test_questions_are_read(write, tmp_path):
    second = ROW | {"id": "b", "question": "line\u2028separator"}
    first, other = read_questions(write(ROW, "", json.dumps(second, ensure_ascii=False)), tmp_path)
    assert (first.question_id, first.image, first.language) == ("a", tmp_path / "one.png", "ar")
    assert (first.category, first.question, first.references) == (
        "colour",
        "ما لونه؟",
        ("أحمر.",),
    )
    assert other.question == "line\u2028separator"


@pytest.mark.parametrize(
    ("bad", "fact"),
    [
        ("[1]", "line 2 .* is not an object"),
        ({"id": "b"}, "line 2 .* lacks text for a field: image, language"),
        (ROW | {"answer": 3}, "line 2 .* lacks text for a field: answer"),
        (ROW | {"id": "b", "photo": "x"}, "line 2 .* has an unknown field: photo"),
        (ROW, "line 2 .* repeats an id: a"),
        (ROW | {"id": "b", "language": "xx"}, "line 2 .* has an unknown language: 'xx'"),
        (ROW | {"id": "b", "image": "two.png"}, "line 2 .* names a missing image: .*two.png"),
    ],
)
def test_a_bad_line_is_named(write, tmp_path, bad, fact):
    with pytest.raises(DataError, match=fact):
        read_questions(write(ROW, bad), tmp_path)


def test_an_empty_file_is_refused(write, tmp_path):
    with pytest.raises(DataError, match="no questions"):
        read_questions(write(""), tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PaloError, match=r"can't read .*nothing\.jsonl"):
        read_questions(tmp_path / "nothing.jsonl", tmp_path)
