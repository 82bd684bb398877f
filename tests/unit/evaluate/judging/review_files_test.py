from pathlib import Path

import pytest
from tests.unit.evaluate.benches.conftest import write_lines

from palo.errors import DataError
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.foreign_rows import CUT_LINE
from palo.evaluate.judging import review_files
from palo.evaluate.judging.review_files import read_reviews
from palo.evaluate.statistics.relative import relative_scores


def item(number):
    return BenchItem(
        question_id=str(number),
        language="ur",
        image=Path(f"{number // 2}.jpg"),
        category="conv",
        question="کیا؟",
        references=("گھر",),
    )


def review(number, scores, **changes):
    first = " ".join(str(score) for score in scores)
    values = {
        "id": number,
        "question_id": number,
        "answer2_id": f"a{number}",
        "category": "llava_bench_conv",
        "content": f"{first}\nThe second one is shorter.",
        "tuple": scores,
    }
    return values | changes


ITEMS = [item(n) for n in range(4)]


@pytest.fixture
def write(tmp_path):
    def lines(*rows):
        write_lines(tmp_path / "review.jsonl", rows)
        return tmp_path / "review.jsonl"

    return lines


def test_sound_reviews_give_the_published_score_in_any_order(write):
    path = write(review(3, [8, 8]), review(0, [8, 4]), review(2, [10, 5]), review(1, [9, 7.5]))
    found = read_reviews(path, ITEMS)
    assert found.defects == {}
    assert found.as_published == pytest.approx(100 * 24.5 / 35)
    value = relative_scores(found.scored).by_language["ur"].value
    assert value == pytest.approx(found.as_published)
    assert {one.image for one in found.scored} == {"0.jpg", "1.jpg"}


def test_what_the_script_counts_as_minus_one_is_left_out_and_told(write):
    path = write(
        review(0, [8, 4]),
        review(1, [-1, -1], content="I can't tell."),
        review(2, [8, 4]),
        review(3, [-1], content=""),
    )
    found = read_reviews(path, ITEMS)
    assert found.defects == {review_files.UNREADABLE: 2}
    assert found.as_published == pytest.approx(100 * 6 / 14)  # not the 50 that it should be
    assert relative_scores(found.scored).by_language["ur"].value == 50


@pytest.mark.parametrize(
    ("rows", "defect"),
    [
        ([review(1, [80, 40])], review_files.OUT_OF_RANGE),
        ([review(1, [8, 4], content="7 4\nx")], review_files.CONTRADICTS),
        ([review(0, [8, 5])], review_files.TWICE),
        ([review(99, [8, 4])], review_files.UNKNOWN),
        ([review(1, [8, 4], category="llava_bench_detail")], review_files.OTHER_CATEGORY),
        ([review(1, [8, 4], answer2_id="old")], review_files.STALE),
        ([review(1, [8, 4], tuple=None)], review_files.UNREADABLE),
        ([review(1, [True, 4])], review_files.UNREADABLE),
    ],
)
def test_every_known_defect_is_counted_and_scored_by_nobody(write, rows, defect):
    ids = {str(n): f"a{n}" for n in range(4)}
    found = read_reviews(write(review(0, [8, 4]), *rows), ITEMS, ids)
    assert found.defects[defect] == 1
    assert [(one.key, one.candidate) for one in found.scored] == [("ur/0", 4)]
    assert found.defects[review_files.MISSING] in (2, 3)


def test_without_answer_ids_stale_reviews_can_not_be_told(write):
    assert read_reviews(write(review(0, [8, 4], answer2_id="old")), ITEMS).scored


def test_a_file_of_another_bench_is_told(write):
    with pytest.raises(DataError, match="has no review of this bench"):
        read_reviews(write(review(50, [8, 4])), ITEMS)


def test_reviews_of_nothing_but_failures_have_no_published_score(write):
    assert read_reviews(write(review(0, [-1, -1])), ITEMS).as_published is None


def test_a_failed_review_that_was_repeated_counts_once(write):
    failed = review(0, [-1, -1], content="I can't tell.")
    stale = review(1, [3, 3], answer2_id="old")
    path = write(failed, stale, failed, review(0, [8, 4]), review(1, [10, 5]))
    ids = {str(n): f"a{n}" for n in range(4)}
    found = read_reviews(path, ITEMS, ids)
    assert [(one.key, one.candidate) for one in found.scored] == [("ur/0", 4), ("ur/1", 5)]
    assert found.defects == {review_files.MISSING: 2}
    # A failure that comes after a sound review changes nothing.
    assert read_reviews(write(review(0, [8, 4]), failed), ITEMS).scored == found.scored[:1]


def test_a_question_whose_every_review_failed_is_counted_once(write):
    failed = review(0, [-1, -1])
    found = read_reviews(write(failed, failed, review(1, [8, 4])), ITEMS)
    assert found.defects == {review_files.UNREADABLE: 1, review_files.MISSING: 2}


def test_a_last_line_that_was_cut_off_is_set_aside(write):
    path = write(review(0, [8, 4]), review(1, [8, 4]))
    path.write_bytes(path.read_bytes()[:-40])
    found = read_reviews(path, ITEMS)
    assert len(found.scored) == 1
    assert found.defects == {CUT_LINE: 1, review_files.MISSING: 3}


def test_the_older_form_of_reviews_is_read(write):
    old = {"review_id": "r", "question_id": 0, "answer1_id": "x", "metadata": {}}
    path = write(
        old | {"text": "8 4\nShorter.", "score": [8, 4]},
        old | {"question_id": 1, "text": "8, 6\nShorter."},
        old | {"question_id": 2, "text": "8 6\nShorter.", "score": [6, 8]},
        old | {"question_id": 3, "text": "Both are good."},
    )
    found = read_reviews(path, ITEMS)
    assert [(one.reference, one.candidate) for one in found.scored] == [(8, 4), (8, 6)]
    assert found.defects == {review_files.CONTRADICTS: 1, review_files.UNREADABLE: 1}
