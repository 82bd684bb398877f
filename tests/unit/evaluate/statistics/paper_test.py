from collections import Counter

import pytest

from palo import languages
from palo.evaluate.statistics.paper import TABLE_1, TABLE_2, cut_off_averages, printed_how
from palo.evaluate.statistics.relative import averages


def _compared():
    for row in (*TABLE_1, *TABLE_2):
        ours = averages(row.by_language)
        for name, value, printed in zip(ours._fields, ours, row.printed, strict=True):
            if printed is not None:
                yield row.name, name, value, printed


def test_our_averages_of_the_papers_columns_are_the_papers():
    compared = list(_compared())
    assert len(compared) == 29
    assert all(abs(value - printed) < 0.1 for _, _, value, printed in compared)
    how = {(row, name): printed_how(value, printed) for row, name, value, printed in compared}
    assert Counter(how.values()) == {"rounded": 11, "truncated": 3, "either": 9, "exact": 6}
    assert {key for key, kind in how.items() if kind == "truncated"} == {
        ("LLaVA-13B", "all"),
        ("PALO-13B", "all"),
        ("150K-Hindi", "all"),
    }


def test_averages_that_the_paper_cut_off_are_told():
    assert cut_off_averages(TABLE_1) == [
        "LLaVA-13B Avg. 49.9 (is 49.96)",
        "PALO-13B Avg. 61.9 (is 61.97)",
    ]
    assert cut_off_averages(TABLE_2) == ["150K-Hindi Avg. 37.9 (is 37.96)"]


def test_every_language_has_its_column(eleventh_language):
    for row in (*TABLE_1, *TABLE_2):
        assert list(row.by_language) == [c for c in languages.codes() if c != "sw"]
    ours = next(row for row in TABLE_1 if row.name == "PALO-7B").by_language
    assert (ours["en"], ours["zh"], ours["ur"]) == (64.2, 55.7, 55.3)


def test_averages_are_over_the_languages_that_there_are():
    assert averages({"en": 1.0, "ur": 4.0, "bn": 3.0}) == (1.0, 3.5, pytest.approx(8 / 3))
    assert averages({"ur": 4.0}) == (None, 4.0, 4.0)
    assert averages({}) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "printed", "how"),
    [
        (49.96, 49.9, "truncated"),
        (49.96, 50.0, "rounded"),
        (49.92, 49.9, "either"),
        (49.9, 49.9, "exact"),
        (49.5, 49.9, "neither"),
    ],
)
def test_how_a_number_was_printed(value, printed, how):
    assert printed_how(value, printed) == how
