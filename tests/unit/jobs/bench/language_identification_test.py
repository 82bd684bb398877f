"""The bench of languages takes texts whose language it knows, and refuses half a result."""

from random import Random
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

ROWS = [
    {"en": "A red house stands here.", "hi": "यहाँ एक लाल घर है।", "ru": "Здесь стоит красный дом."},
    {"en": "Two dogs run.", "hi": "दो कुत्ते दौड़ते हैं।", "ru": "Две собаки бегут."},
]


@pytest.fixture(scope="module")
def bench():
    """The bench's own modules, which are importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from identifying import cases

        yield SimpleNamespace(cases=cases)


def test_right_texts_are_the_languages_own(bench):
    made = list(bench.cases.right_cases(ROWS, Random(0)))
    kinds = {"sentence", "with_asides", "short", "long"}
    assert {(case.kind, case.expected) for case in made} == {
        (kind, code) for kind in kinds for code in ROWS[0]
    }
    for case in made:
        own = " ".join(row[case.expected] for row in ROWS)
        assert case.text in own or case.kind == "with_asides"


def test_wrong_texts_are_another_language_s_or_romanised(bench):
    for case in bench.cases.wrong_cases(ROWS, Random(0)):
        own = [row[case.expected] for row in ROWS]
        assert case.text not in own
        if case.kind == "romanised":
            assert case.expected != "en"
            assert case.text.rstrip("।").isascii()


def test_neighbours_are_the_lines_of_the_taken_sentences(bench, tmp_path):
    texts = {"src.eng": [row["en"] for row in ROWS]}
    names = {name for names in bench.cases.NEIGHBOURS.values() for name in names}
    texts |= {f"ref.{name}": [f"{name} first", f"{name} second"] for name in names}
    for name, lines in texts.items():
        (tmp_path / f"newstest2019-{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    made = list(bench.cases.neighbour_cases(tmp_path, ROWS, [1]))
    assert {(case.expected, case.text) for case in made if case.expected == "hi"} == {
        ("hi", "mar second"),
        ("hi", "nep second"),
    }


def test_a_trial_keeps_no_result(run_job_here):
    done = run_job_here("jobs/bench/language_identification.py")
    assert done.returncode == 2
    assert "a trial makes no result to keep" in done.stderr
