import pytest

from palo.metrics.chrf import chrf, signature


@pytest.mark.parametrize("text", ["A green hill.", "ایک سبز پہاڑی۔", "一座绿色的山。"])
def test_the_same_words_score_100_and_none_score_0(text):
    assert chrf(text, [text]) == pytest.approx(100)
    assert chrf("", [text]) == 0


def test_it_is_the_formula_of_the_paper():
    # "ab" beside "abc", orders 1 and 2 (higher ones have no pieces in the answer):
    # precision (2/2 + 1/1) / 2 = 1, recall (2/3 + 1/2) / 2 = 7/12.
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    f2 = 5 * precision * recall / (4 * precision + recall)
    assert chrf("ab", ["abc"]) == pytest.approx(100 * f2, abs=0.01)


def test_the_best_reference_counts():
    assert chrf("house", ["tree", "house"]) == pytest.approx(100)


def test_its_settings_can_be_quoted():
    assert "nc:6|nw:0" in signature()
