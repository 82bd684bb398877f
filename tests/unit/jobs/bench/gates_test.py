"""What the normalizers change in held-out sentences counts as right only where people read it."""

import importlib
import json
from pathlib import Path

import pytest

from palo import languages
from palo.translate.perturbations.conventions import RuleChange, rule_changes

_BENCHES = Path(__file__).resolve().parents[4] / "jobs" / "bench"


@pytest.fixture
def held_out(monkeypatch):
    monkeypatch.syspath_prepend(_BENCHES)
    return importlib.import_module("gates_parts.held_out")


def test_a_change_that_nobody_read_is_wrong(held_out):
    change = RuleChange(row=held_out.FIRST_ROW, before="a", after="b", rules=("dash", "comma"))
    assert held_out.wrong_rules(change, "ru") == ("dash", "comma")


@pytest.mark.data
def test_every_change_of_a_held_out_sentence_was_read(held_out, data_folder):
    path = data_folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    numbered = list(enumerate(rows))[held_out.FIRST_ROW :]
    wrong = {
        (code, change.row): held_out.wrong_rules(change, code)
        for code in languages.codes()
        if code != "en"
        for change in rule_changes([(number, row[code]) for number, row in numbered], code)
    }
    assert len(wrong) > 100
    assert {key: rules for key, rules in wrong.items() if rules} == {
        ("fr", 753): ["quotation marks"]
    }
