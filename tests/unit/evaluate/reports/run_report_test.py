import json
from pathlib import Path

import pytest

from palo import languages
from palo.evaluate.accuracy import accuracy
from palo.evaluate.answers.answer_cache import AnswerSet, ModelAnswer
from palo.evaluate.benches.bench import BenchItem, bench_of
from palo.evaluate.benches.sources.scenes import SOURCE
from palo.evaluate.leaderboard import model_result
from palo.evaluate.reports.run_report import (
    RunFacts,
    accuracy_table,
    display_width,
    kind_table,
    report_values,
    write_answers,
)

FACTS = RunFacts(
    seeds={"scenes": 0, "training": 42},
    wall_s={"pretrain": 61.26, "finetune": 100.0},
    peak_memory_gib=3.14159,
)


def question(number, code, kind="x"):
    return BenchItem(
        question_id=f"{number}{code}",
        image=Path(f"{number}"),
        language=code,
        category=kind,
        question="",
        references=("y",),
    )


@pytest.fixture
def asked_twice():
    questions = [
        question(n, code, kind)
        for code in ("en", "ur")
        for n, kind in enumerate(("colour", "count"))
    ]
    return (
        accuracy(questions, [True, True, False, True]),
        accuracy(questions, [False, False, False, True]),
    )


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


def test_it_can_be_written_as_json(asked_twice):
    values = report_values(*asked_twice, FACTS)
    assert json.loads(json.dumps(values)) == values


def test_each_answer_is_a_line_with_its_question(tmp_path):
    items = [
        BenchItem(
            question_id=name,
            image=Path("a/b.png"),
            language="ur",
            category="count",
            question="کتنے؟",
            references=("دو",),
        )
        for name in ("q1", "q2")
    ]
    bench = bench_of(SOURCE, items)
    answers = {"with": ["دو ", "x\u2028y"], "without": ["", "دو"]}
    models = [
        model_result(
            bench,
            AnswerSet(
                name=name,
                answers={
                    item.key: ModelAnswer(key=item.key, text=text)
                    for item, text in zip(items, texts, strict=True)
                },
                unanswered={},
                num_cached=0,
                num_asked=2,
            ),
        )
        for name, texts in answers.items()
    ]
    path = tmp_path / "answers.jsonl"
    write_answers(path, bench, models)
    text = path.read_text(encoding="utf-8")
    first, second = map(json.loads, text.removesuffix("\n").split("\n"))
    assert "کتنے" in text
    assert first["right_answer"] == "دو"
    assert first["image"] == "b.png"
    assert first["answers"] == {"with": "دو ", "without": ""}
    assert first["is_right"] == {"with": True, "without": False}
    assert second["is_right"] == {"with": False, "without": True}
    assert [model.accuracy.average.value for model in models] == [0.5, 0.5]


@pytest.fixture
def scored():
    """Scores in every language: 3 of 4 right, then 1 of 4."""

    def score(answers):
        questions = [question(n, code) for code in languages.codes() for n in range(4)]
        return accuracy(questions, [a == "y" for a in answers] * len(languages.codes()))

    return score("yyyn"), score("ynnn")


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("English", 7),
        ("中文", 4),
        ("日本語", 6),
        ("العربية", 7),
        ("हिन्दी", 5),
        ("বাংলা", 5),
        ("e\u0301", 1),
        ("\u2067اردو\u2069", 4),
        ("Ｆｕｌｌ", 8),
        ("", 0),
    ],
)
def test_the_width_is_that_of_a_terminal(text, width):
    assert display_width(text) == width


def test_every_language_has_a_row_and_all_columns_line_up(scored, eleventh_language):
    lines = accuracy_table(*scored).splitlines()
    rows = {line.split()[0]: line for line in lines[2:12]}
    assert list(rows) == [code for code in languages.codes() if code != "sw"]
    for language in languages.every():
        if language.code != "sw":
            row = rows[language.code]
            assert language.name in row
            assert language.native_name in row
            assert row.split()[-1] == "25.0%"
            assert row.split("%")[0].split()[-2:] == ["4", "75.0"]
    assert len({display_width(line) for line in lines}) == 1


def test_the_averages_come_last(scored):
    last = [line.split()[:3] for line in accuracy_table(*scored).splitlines()[-3:]]
    assert last == [
        ["average", "40", "75.0%"],
        ["high-resource", "24", "75.0%"],
        ["low-resource", "16", "75.0%"],
    ]


def test_without_the_second_scores_there_is_no_second_column(scored):
    table = accuracy_table(scored[0])
    assert "without image" not in table
    assert all(line.endswith("100.0%") for line in table.splitlines()[-3:])


def test_fidelity_has_a_column_and_its_own_values(scored, asked_twice):
    shares = dict.fromkeys(languages.codes(), 1.0) | {"ur": 0.5, "hi": 0.5}
    del shares["bn"]
    lines = accuracy_table(*scored, shares).splitlines()
    assert "in its language" in lines[0]
    cells = {line.split()[0]: line.split()[-2:] for line in lines[2:]}
    assert cells["ur"] == ["50.0%", "25.0%"]
    assert cells["bn"] == ["?", "25.0%"]
    assert cells["low-resource"] == ["66.7%", "25.0%"]
    assert len({display_width(line) for line in lines}) == 1
    values = report_values(*asked_twice, FACTS, {"en": 1.0, "ur": 0.25})
    assert values["fidelity"] == {"en": 1.0, "ur": 0.25}
    assert values["fidelity_average"] == 0.625


def test_kinds_of_questions_have_a_table_of_their_own(asked_twice):
    lines = [line.split() for line in kind_table(asked_twice[0]).splitlines()]
    assert lines[0][:3] == ["kind", "n", "accuracy"]
    assert [line[:3] for line in lines[1:]] == [["colour", "2", "50.0%"], ["count", "2", "100.0%"]]
