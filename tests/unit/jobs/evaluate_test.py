import json

import pytest
from jobs import evaluate
from tests.unit.evaluate.benches.conftest import write_lines

from palo.errors import ConfigError, DataError, PaloError, ThresholdError


@pytest.fixture
def bench(tmp_path):
    rows = [
        {"id": str(n), "language": "ur", "image": "a.png", "question": "کیا؟", "answer": "گھر"}
        for n in range(3)
    ]
    write_lines(tmp_path / "questions.jsonl", rows)
    answers = [{"question_id": n, "text": "گھر"} for n in range(3)]
    write_lines(tmp_path / "mine-urdu.jsonl", answers)
    return tmp_path


def score(folder, *arguments):
    models = ("--models", f"mine={folder}/mine-{{language}}.jsonl")
    output = ("--output", str(folder / "out"))
    evaluate.main(["own", str(folder), *models, *output, *arguments])


def test_files_of_answers_are_scored_without_ray_and_images(bench, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "ray_session", lambda: pytest.fail("Ray was started"))
    score(bench, "--require", "exact>=1 fidelity>=0.98")
    values = json.loads((bench / "out" / "scores.json").read_text("utf-8"))
    assert values["models"]["mine"]["measures"]["ur"]["exact"] == 1
    assert "Report:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folder", "model", "told"),
    [("nope", "runs", "can't read"), ("", "nope", "no finished model here: .*nope")],
)
def test_what_is_missing_is_told_before_ray_starts(bench, monkeypatch, folder, model, told):
    """Regression: a wrong folder was told after Ray's start."""
    monkeypatch.setattr(evaluate, "ray_session", lambda: pytest.fail("Ray was started"))
    with pytest.raises(PaloError, match=told):
        evaluate.main(["own", str(bench / folder), "--models", f"mine={bench / model}"])


def test_a_gate_that_is_not_passed_is_an_error(bench):
    with pytest.raises(ThresholdError, match="mine: chrf is 100, required chrf<50"):
        score(bench, "--require", "chrf<50")


def test_wrong_words_are_told(bench, capsys):
    with pytest.raises(ConfigError, match="models is empty"):
        evaluate.main(["own", str(bench)])
    with pytest.raises(DataError, match="no questions in some languages: bn"):
        score(bench, "--languages", "bn")
    with pytest.raises(ConfigError, match="unknown recipe"):
        evaluate.main(["llava-wlid"])
    assert "llava-wild" in capsys.readouterr().err
