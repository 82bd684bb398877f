import pickle

import pytest
from tests.unit.evaluate.benches.conftest import write_lines

from palo.evaluate.generation import AnswerSettings, generate_texts
from palo.evaluate.stage_scores import StageScores, first_of_each, read_stage_scores


@pytest.fixture
def scores(asked, trained, tmp_path):
    """Scores of twelve questions in three languages, those in Russian answered rightly."""
    settings = AnswerSettings(max_new_tokens=8)
    words = generate_texts(trained, asked, settings)
    rows = [
        {
            "id": question.question_id,
            "image": question.image.name,
            "language": question.language,
            "kind": question.category,
            "question": question.question,
            "answer": answer if question.language == "ru" else "two",
        }
        for question, answer in zip(asked, words, strict=True)
    ]
    write_lines(tmp_path / "questions.jsonl", rows)
    return StageScores(
        questions=tmp_path / "questions.jsonl",
        images=asked[0].image.parent,
        per_language=2,
        decoding=settings,
        output=tmp_path / "scores.jsonl",
    )


def test_a_few_questions_of_each_language_are_measured(scores, finished_stage):
    scores(finished_stage, 100)
    (line,) = read_stage_scores(scores.output)
    assert line["step"] == 100
    assert line["note"] == "after 100 steps 33.3% exact: en 0% ru 100% ja 0%"
    assert {code: one["num_answers"] for code, one in line["by_language"].items()} == {
        "en": 2,
        "ru": 2,
        "ja": 2,
    }
    assert line["by_language"]["ru"]["chrf"] == 100
    assert "fidelity" in line["by_language"]["ja"]


def test_steps_that_are_done_again_are_scored_anew(scores, finished_stage):
    write_lines(scores.output, [{"step": step, "note": ""} for step in (100, 200, 300)])
    scores(finished_stage, 200)
    assert [line["step"] for line in read_stage_scores(scores.output)] == [100, 200]


def test_it_travels_to_workers(scores):
    assert pickle.loads(pickle.dumps(scores)) == scores


def test_the_first_questions_of_each_language_are_taken(asked):
    found = first_of_each(asked, 2)
    assert [question.question_id for question in found] == ["q0", "q1", "q4", "q5", "q8", "q9"]
