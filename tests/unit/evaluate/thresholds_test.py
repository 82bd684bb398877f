import dataclasses
from pathlib import Path

import pytest

from palo.errors import ConfigError, ThresholdError
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import Bench, BenchItem, BenchSource
from palo.evaluate.judging.scores import Judged
from palo.evaluate.leaderboard import Leaderboard, ModelResult
from palo.evaluate.measures import by_language, measure
from palo.evaluate.statistics.relative import ScoredItem, relative_scores
from palo.evaluate.thresholds import figure, read_requirements, require_thresholds


def item(code, number):
    return BenchItem(
        question_id=str(number),
        language=code,
        image=Path(f"{number}.png"),
        category="conv",
        question="?",
        references=("یہ ایک گھر ہے۔",),
    )


@pytest.fixture
def board():
    """Four questions in Urdu: three answers, one of them in English; two scores."""
    source = BenchSource(
        name="own", title="", licence="", origin="", task="judged", layout="", read=lambda f, c: []
    )
    items = tuple(item("ur", n) for n in range(4))
    words = ("یہ ایک گھر ہے۔", "وہاں ایک بلی ہے۔", "It is a house.")
    answers = {f"ur/{n}": ModelAnswer(key=f"ur/{n}", text=text) for n, text in enumerate(words)}
    measured = measure(items[:3], list(answers.values()))
    scored = tuple(
        ScoredItem(
            key=f"ur/{n}", language="ur", category="conv", image=str(n), reference=8, candidate=4
        )
        for n in range(2)
    )
    judged = Judged(
        scored=scored,
        unscored={"ur/2": "empty", "ur/3": "no answer"},
        reasons={},
        repeats=None,
        orders=None,
        position_bias=None,
        num_foreign_reasons=0,
    )
    model = ModelResult(
        name="m",
        answers=answers,
        measures={one.item.key: one for one in measured},
        summaries=by_language(measured),
        defects={},
        judged=judged,
        scores=relative_scores(scored),
    )
    bench = Bench(source=source, items=items, hash="")
    return Leaderboard(bench=bench, models=(model,), judge=None, differences={})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("avg_low", 50),
        ("avg", 50),
        ("ur", 50),
        ("avg_high", None),
        ("en", None),
        ("fidelity", 2 / 3),
        ("fidelity_ur", 2 / 3),
        ("fidelity_bn", None),
        ("exact", 1 / 3),
        ("hallucinated", None),
        ("unanswered", 1 / 4),
        ("unscored", 1 / 2),
    ],
)
def test_every_figure_has_a_name(board, name, value):
    assert figure(board, board.models[0], name) == (None if value is None else pytest.approx(value))


def test_requirements_are_read_and_met(board):
    text = "avg_low>=50 fidelity > 0.6,unscored<=0.5"
    assert [str(one) for one in read_requirements(text.replace(",", " "))] == [
        "avg_low>=50",
        "fidelity>0.6",
        "unscored<=0.5",
    ]
    require_thresholds(board, read_requirements(text.replace(",", " ")))
    require_thresholds(board, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("avg_low>=55 unscored<=1", r"m: avg_low is 50, required avg_low>=55"),
        ("fidelity>=0.98", r"m: fidelity is 0\.6667"),
        ("avg_high>=1 unscored<=1", "avg_high is not known"),
        ("avg>=1", r"unscored is 0\.5, required unscored<=0\.05"),
    ],
)
def test_what_is_not_met_is_told(board, text, message):
    with pytest.raises(ThresholdError, match=message):
        require_thresholds(board, read_requirements(text))


@pytest.mark.parametrize("text", ["", "avg_low", "avgg>=5", "avg>=5 what", "fidelity_xx>=1"])
def test_what_is_no_requirement_is_told(text):
    with pytest.raises(ConfigError, match="a requirement can't be read"):
        read_requirements(text)


def test_without_a_judge_relative_scores_are_not_known(board):
    model = dataclasses.replace(board.models[0], judged=None, scores=None)
    unjudged = dataclasses.replace(board, models=(model,))
    with pytest.raises(ThresholdError, match="avg is not known; m: unscored is not known"):
        require_thresholds(unjudged, read_requirements("avg>=1"))
