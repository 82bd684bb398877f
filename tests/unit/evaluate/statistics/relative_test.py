import numpy as np
import pytest

from palo.evaluate.statistics.paired import compare, differences_by_model
from palo.evaluate.statistics.relative import ScoredItem, relative_scores


def items(language, scores, category="conv", images=None):
    """One question for each (candidate, reference)."""
    return [
        ScoredItem(
            key=f"{language}/{category}{n}",
            language=language,
            category=category,
            image=f"{n if images is None else n % images}",
            candidate=candidate,
            reference=reference,
        )
        for n, (candidate, reference) in enumerate(scores)
    ]


def drawn(language, better, seed, num=60, images=24, spread=1.5):
    rng = np.random.default_rng(seed)
    scores = [(float(np.clip(rng.normal(5 + better, spread), 1, 10)), 8.0) for _ in range(num)]
    return items(language, scores, images=images)


def test_it_is_the_ratio_of_the_means_not_the_mean_of_the_ratios():
    scores = relative_scores(items("en", [(4, 8), (9, 9)]))
    assert scores.by_language["en"].value == pytest.approx(100 * 13 / 17)
    assert scores.by_language["en"].num_questions == 2


def test_categories_and_averages():
    judged = items("en", [(8, 8)]) + items("en", [(4, 8)], "detail") + items("ur", [(2, 8)])
    scores = relative_scores([*judged[::-1]])
    assert list(scores.by_language) == ["en", "ur"]
    assert scores.by_category["en"]["conv"].value == 100
    assert scores.by_category["en"]["detail"].value == 50
    assert {name: one.value for name, one in scores.averages.items()} == {
        "high": 75,
        "low": 25,
        "all": 50,
    }
    assert "high" not in relative_scores(items("ur", [(2, 8)])).averages
    with pytest.raises(ValueError, match="no scores"):
        relative_scores([])


def test_the_interval_holds_the_value_and_is_wider_for_fewer_images():
    many = relative_scores(drawn("en", 0, seed=1)).by_language["en"]
    few = relative_scores(drawn("en", 0, seed=1, images=6)).by_language["en"]
    assert many.low < many.value < many.high
    assert 3 < many.high - many.low < 20
    assert few.low < few.value < few.high
    assert relative_scores(drawn("en", 0, seed=1)).by_language["en"] == many


def test_intervals_cover_the_truth_about_95_times_of_100():
    covered = 0
    for seed in range(60):
        one = relative_scores(drawn("en", 0, seed=seed), seed=seed).by_language["en"]
        covered += one.low <= 62.5 <= one.high
    # 24 clusters cover a little less than 95 %; 48 of 60 has a chance below 1 in 1,000 at 92 %.
    assert covered >= 48


def test_a_large_difference_is_seen_and_a_small_one_called_noise():
    better, worse = drawn("en", 2, seed=1), drawn("en", 0, seed=2)
    seen = compare(better, worse)["en"]
    assert seen.value > 15
    assert seen.low > 0
    assert not seen.is_noise
    assert "more than noise" in seen.note()
    assert seen.num_questions_needed < 60
    unseen = compare(drawn("en", 0, seed=3), worse)["en"]
    assert unseen.is_noise
    assert unseen.low < 0 < unseen.high
    assert unseen.num_questions_needed > 60
    assert "within noise" in unseen.note()
    assert compare(worse, better)["en"].value == pytest.approx(-seen.value)


def test_a_model_does_not_differ_from_itself():
    same = compare(drawn("ur", 0, seed=1), drawn("ur", 0, seed=1))["ur"]
    assert (same.value, same.p_value, same.num_questions_needed) == (0, 1, None)
    assert same.note() == "no difference"


def test_chance_alone_is_called_a_difference_about_one_time_in_twenty():
    false = sum(
        not compare(drawn("en", 0, seed=2 * s), drawn("en", 0, seed=2 * s + 1), s)["en"].is_noise
        for s in range(30)
    )
    assert false <= 6


def test_only_questions_that_both_have_count():
    first = items("en", [(8, 8), (1, 8)])
    second = items("en", [(4, 8)])
    difference = compare(first, second)["en"]
    assert (difference.num_questions, difference.value) == (1, 50)
    with pytest.raises(ValueError, match="no scored question in common"):
        compare(first, items("ur", [(1, 8)]))


def test_several_languages_are_compared_together():
    mine = drawn("en", 2, 1) + drawn("ur", 2, 2)
    other = drawn("en", 0, 3) + drawn("ur", 0, 4)
    found = differences_by_model({"a": mine, "b": other}, "b")["a"]
    assert list(found) == ["en", "ur", "high", "low", "all"]
    assert found["all"].value == pytest.approx((found["en"].value + found["ur"].value) / 2)
    assert found["all"].p_value <= found["en"].p_value + 0.01
