import dataclasses
from pathlib import Path

import pytest

from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.measures import measure, summary
from palo.metrics.hallucination import yes_no_scores


def test_figures_follow_from_the_counts():
    pairs = [("yes", "yes"), ("yes", "no"), ("no", "yes"), ("no", "no"), ("no", None)]
    found = yes_no_scores(pairs)
    assert found.num_questions == 5
    assert found.accuracy == pytest.approx(2 / 5)
    assert (found.precision, found.recall, found.f1) == (0.5, 0.5, 0.5)
    assert found.says_yes == pytest.approx(2 / 5)
    assert found.undecided == pytest.approx(1 / 5)
    assert yes_no_scores([("no", "no")]).f1 == 0


def test_answers_to_such_questions_are_right_whatever_stands_around_them():
    item = BenchItem(
        question_id="1",
        language="ur",
        image=Path("a.jpg"),
        category="random",
        question="کیا تصویر میں کتا ہے؟",
        references=("yes",),
        yes_no=True,
    )
    other = dataclasses.replace(item, question_id="2", references=("no",))
    words = ["جی ہاں، ایک کتا ہے۔", "ہاں، ہے۔"]
    items = [item, other]
    answers = [ModelAnswer(key=i.key, text=t) for i, t in zip(items, words, strict=True)]
    measured = measure(items, answers)
    assert [one.relaxed for one in measured] == [True, False]
    assert summary(measured).yes_no == yes_no_scores([("yes", "yes"), ("no", "yes")])
