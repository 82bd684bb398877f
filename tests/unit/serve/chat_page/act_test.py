"""Whatever a browser sends is an act within its bounds."""

from pathlib import Path

import pytest

from palo.serve.chat_page.act import ChatAct


def test_a_question_is_read_with_its_settings():
    values = {
        "do": "ask", "text": " ? ", "image": {"path": "/a.png"}, "compare": True, "language": "ur",
        "models": ["one", "two"], "temperature": 0.5, "length": 9, "code": "bn",
    }  # fmt: skip
    assert ChatAct.read(values, 100) == ChatAct(
        deed="ask", text="?", image=Path("/a.png"), compare=True, models=("one", "two"),
        language="ur", temperature=0.5, length=9, code="bn",
    )  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        None, 7, "ask", [], {}, {"do": "drop"}, {"do": ["ask"]}, {"text": 7}, {"image": "/a.png"},
        {"image": {"path": ""}}, {"image": {"path": "\0"}}, {"image": {"path": 7}},
        {"models": "x"}, {"models": [7]}, {"models": [None, {}]}, {"language": "xx"},
        {"language": []}, {"code": {}}, {"code": "../en"}, {"compare": 1}, {"side": "third"},
        {"position": True}, {"position": 1.0}, {"temperature": float("nan")}, {"temperature": "1"},
        {"length": None}, {"length": 2.5},
    ],
)  # fmt: skip
def test_what_cant_be_is_left_out(values):
    assert ChatAct.read(values, 1000) == ChatAct()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"temperature": 99}, {"temperature": 2.0}),
        ({"temperature": -1}, {"temperature": 0.0}),
        ({"length": 10**9}, {"length": 1000}),
        ({"length": 0}, {"length": 1}),
        ({"models": ["x" * 999]}, {"models": ("x" * 200, "")}),
    ],
)
def test_numbers_and_names_have_bounds(values, wanted):
    assert ChatAct.read(values, 1000) == ChatAct(**wanted)
