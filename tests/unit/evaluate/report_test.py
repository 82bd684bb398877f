import json
from pathlib import Path

import pytest

from palo.evaluate.exact_match import accuracy
from palo.evaluate.questions import Question
from palo.evaluate.report import RunFacts, report_values, write_answers, write_report

FACTS = RunFacts(
    seeds={"scenes": 0, "training": 42},
    wall_s={"pretrain": 61.26, "finetune": 100.0},
    peak_memory_gib=3.14159,
)


@pytest.fixture
def asked_twice():
    questions = [
        Question(
            id=f"{n}{code}", image=Path(f"{n}"), language=code, kind=kind, question="", answer="y"
        )
        for code in ("en", "ur")
        for n, kind in enumerate(("colour", "count"))
    ]
    return accuracy(questions, ["y", "y", "n", "y"]), accuracy(questions, ["n", "n", "n", "y"])


def test_the_report_has_this_form(asked_twice):
    values = report_values(*asked_twice, FACTS)
    surroundings = {name: values.pop(name) for name in ("hardware", "versions", "finished")}
    assert values == {
        "accuracy": {"en": 1.0, "ur": 0.5},
        "accuracy_interval": {"en": [0.34238, 1.0], "ur": [0.094531, 0.905469]},
        "accuracy_average": 0.75,
        "accuracy_average_interval": [0.5, 1.0],
        "accuracy_high_resource": 1.0,
        "accuracy_high_resource_interval": [1.0, 1.0],
        "accuracy_low_resource": 0.5,
        "accuracy_low_resource_interval": [0.0, 1.0],
        "accuracy_by_kind": {"colour": 0.5, "count": 1.0},
        "accuracy_by_kind_interval": {"colour": [0.5, 0.5], "count": [1.0, 1.0]},
        "accuracy_without_image": 0.25,
        "accuracy_without_image_interval": [0.0, 0.5],
        "accuracy_without_image_by_language": {"en": 0.0, "ur": 0.5},
        "accuracy_without_image_by_language_interval": {
            "en": [0.0, 0.65762],
            "ur": [0.094531, 0.905469],
        },
        "num_questions": 4,
        "num_questions_by_language": {"en": 2, "ur": 2},
        "num_images": 2,
        "seeds": {"scenes": 0, "training": 42},
        "wall_s": {"pretrain": 61.3, "finetune": 100.0},
        "wall_s_total": 161.3,
        "peak_memory_gib": 3.14,
    }
    assert surroundings["hardware"]["processor"]
    assert surroundings["hardware"]["num_cpus"] >= 1
    assert {"palo", "torch", "ray", "python"} <= set(surroundings["versions"])
    assert surroundings["finished"].endswith("+00:00")


def test_without_the_second_scores_they_are_left_out(asked_twice):
    values = report_values(asked_twice[0], None, FACTS)
    assert not [name for name in values if "without" in name]


def test_it_is_written_as_json(asked_twice, tmp_path):
    values = report_values(*asked_twice, FACTS)
    write_report(tmp_path / "run" / "report.json", values)
    assert json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8")) == values


def test_each_answer_is_a_line_with_its_question(tmp_path):
    question = Question(
        id="q1", image=Path("a/b.png"), language="ur", kind="count", question="کتنے؟", answer="دو"
    )
    path = tmp_path / "answers.jsonl"
    write_answers(path, [question, question], {"with": ["دو ", "x\u2028y"], "without": ["", "دو"]})
    text = path.read_text(encoding="utf-8")
    first, second = map(json.loads, text.removesuffix("\n").split("\n"))
    assert "کتنے" in text
    assert first["right_answer"] == "دو"
    assert first["image"] == "b.png"
    assert first["answers"] == {"with": "دو ", "without": ""}
    assert first["is_right"] == {"with": True, "without": False}
    assert second["is_right"] == {"with": False, "without": True}
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        write_answers(path, [question], {"with": []})
