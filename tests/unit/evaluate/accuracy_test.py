from pathlib import Path

import pytest

from palo.evaluate.accuracy import accuracy
from palo.evaluate.benches.bench import BenchItem
from palo.metrics.matching import is_match


def question(number, language="en", image=None, kind="colour"):
    return BenchItem(
        question_id=f"{number}-{language}",
        image=Path(f"{number if image is None else image}.png"),
        language=language,
        category=kind,
        question="?",
        references=("yes",),
    )


def of_answers(questions, answers, seed=0):
    return accuracy(questions, [answer == "yes" for answer in answers], seed=seed)


@pytest.mark.parametrize(
    ("answer", "right_answer", "matches"),
    [
        ("Two.", "Two.", True),
        ("  Two\n red\tcircles. ", "Two red circles.", True),
        ("e\u0301te\u0301", "\u00e9t\u00e9", True),
        ("Rouge\u00a0!", "Rouge !", True),
        ("两个。\u3000", "两个。", True),
        ("two.", "Two.", False),
        ("Two", "Two.", False),
        ("２", "2", False),
        ("", "Two.", False),
        ("Tw o.", "Two.", False),
    ],
)
def test_only_white_space_and_composition_are_forgiven(answer, right_answer, matches):
    assert is_match(answer, right_answer) is matches


def test_shares_are_counted_by_language_and_by_kind():
    questions = [question(n, "en", kind="colour") for n in range(4)]
    questions += [question(n, "ur", kind="count") for n in range(2)]
    scored = of_answers(questions, ["yes", "yes", "yes", "no", "no", "yes"])
    assert {c: (s.value, s.num_questions) for c, s in scored.by_language.items()} == {
        "en": (0.75, 4),
        "ur": (0.5, 2),
    }
    assert {kind: share.value for kind, share in scored.by_kind.items()} == {
        "colour": 0.75,
        "count": 0.5,
    }
    assert scored.num_images == 4


def test_every_language_counts_the_same_in_the_average():
    questions = [question(n, "en") for n in range(8)] + [question(0, "ur")]
    scored = of_answers(questions, ["yes"] * 8 + ["no"])
    assert scored.average.value == 0.5
    assert {name: share.value for name, share in scored.by_resource.items()} == {
        "high": 1.0,
        "low": 0.0,
    }


def test_languages_come_in_the_order_of_the_registry():
    questions = [question(0, code) for code in ("ur", "ar", "zh", "en")]
    assert list(of_answers(questions, [""] * 4).by_language) == ["en", "zh", "ar", "ur"]


def test_a_new_language_is_scored_like_the_others(eleventh_language):
    scored = of_answers([question(0, eleventh_language.code)], ["yes"])
    assert scored.by_language["sw"].value == 1.0


def test_questions_about_one_image_are_one_observation():
    """Ten languages about the same images know no more than one language does."""
    codes = ("en", "zh", "fr", "es", "ru", "ja", "ar", "hi", "bn", "ur")
    questions = [question(n, code) for code in codes for n in range(40)]
    answers = ["yes" if n % 2 else "no" for _ in codes for n in range(40)]
    one = of_answers(questions[:40], answers[:40], seed=3).average
    ten = of_answers(questions, answers, seed=3).average
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
    assert one.high - one.low == pytest.approx(2 * 1.96 * (0.25 / 40) ** 0.5, abs=0.04)


def test_a_language_that_a_resample_lacks_does_not_break_the_interval():
    questions = [*(question(n, "en") for n in range(3)), question(9, "ur")]
    average = of_answers(questions, ["yes"] * 4).average
    assert (average.low, average.high) == (1.0, 1.0)


def test_the_seed_decides_the_interval():
    questions = [question(n) for n in range(300)]
    answers = ["yes", "no", "no"] * 100
    averages = [of_answers(questions, answers, seed=seed).average for seed in (*range(9), 0)]
    assert averages[0] == averages[-1]
    assert len(set(averages)) > 1


@pytest.mark.parametrize("num_answers", [0, 2])
def test_answers_must_pair_with_questions(num_answers):
    with pytest.raises(ValueError, match="don't pair"):
        of_answers([question(0)], ["yes"] * num_answers)
