import pytest
from jobs import read_reviews
from tests.unit.evaluate.benches.conftest import write_lines

from palo.errors import DataError


def test_both_scores_and_the_defects_are_printed(tmp_path, capsys):
    rows = [
        {"id": str(n), "language": "ur", "image": "a.png", "question": "کیا؟", "answer": "گھر"}
        for n in range(3)
    ]
    write_lines(tmp_path / "questions.jsonl", rows)
    reviews = [{"question_id": n, "content": "8 4\nx", "tuple": [8, 4]} for n in range(2)]
    reviews.append({"question_id": 2, "content": "hm", "tuple": [-1, -1]})
    write_lines(tmp_path / "reviews.jsonl", reviews)
    read_reviews.main(["own", str(tmp_path), "ur", str(tmp_path / "reviews.jsonl")])
    printed = capsys.readouterr().out
    assert "as the script computes it  46.7" in printed
    assert "50.0 [50.0, 50.0], 2 of 3 questions" in printed
    assert "1  reviews without two scores" in printed
    with pytest.raises(DataError, match="no questions in some languages: bn"):
        read_reviews.main(["own", str(tmp_path), "bn", str(tmp_path / "reviews.jsonl")])
