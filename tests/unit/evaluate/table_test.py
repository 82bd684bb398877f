from pathlib import Path

import pytest

from palo import languages
from palo.evaluate.exact_match import accuracy
from palo.evaluate.questions import Question
from palo.evaluate.table import accuracy_table, display_width


@pytest.fixture
def scored():
    """Scores in every language: 3 of 4 right, then 1 of 4."""

    def score(answers):
        questions = [
            Question(
                id=f"{n}{code}",
                image=Path(f"{n}"),
                language=code,
                kind="x",
                question="",
                answer="y",
            )
            for code in languages.codes()
            for n in range(4)
        ]
        return accuracy(questions, list(answers) * len(languages.codes()))

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
