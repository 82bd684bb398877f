import dataclasses

import pytest

from palo.errors import DataError
from palo.translate.backends.backend import Draft, TranslationFailure
from palo.translate.bulk.client import answer_id
from palo.translate.bulk.ledger import CachedDraft, Ledger

MADE = CachedDraft(
    draft=Draft(texts=("a", "b"), tokens_in=1, tokens_out=2, cost=0.5),
    translator="t",
    prompt_hash="p",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


def test_answers_and_what_they_cost_are_there_after_a_restart(path):
    with Ledger(path) as ledger:
        ledger.send("x", 3.0)
        ledger.answer("x", MADE)
    with Ledger(path) as ledger:
        assert ledger.holds("x", "any")
        assert not ledger.holds("y", "any")
        assert ledger.read("x") == MADE
        assert (ledger.cost, ledger.tokens_in, ledger.tokens_out) == (0.5, 1, 2)
        assert (ledger.num_answers, ledger.num_sent, ledger.num_open) == (1, 1, 0)


def test_what_was_in_flight_at_a_kill_is_known_and_priced_at_its_most(path):
    ledger = Ledger(path)
    for name in ("x", "y", "z"):
        ledger.send(name, 3.0)
    ledger.answer("y", MADE)
    assert ledger.num_open == 0
    ledger.give_up()
    assert (ledger.num_open, ledger.open_cost) == (2, 6.0)
    again = Ledger(path)
    assert (again.num_open, again.open_cost) == (2, 6.0)
    again.send("x", 3.0)
    again.answer("x", MADE)
    for known in (again, Ledger(path)):
        assert (known.num_open, known.open_cost, known.cost) == (2, 6.0, 1.0)


def test_attempts_that_came_to_nothing_may_have_cost_unless_they_were_refused(path):
    with Ledger(path) as ledger:
        ledger.send("x", 3.0)
        ledger.refuse("x")
        ledger.send("x", 3.0)
        ledger.send("x", 3.0)
        ledger.answer("x", MADE)
        ledger.send("y", 5.0)
        ledger.lose("y", TranslationFailure(kind="timeout", detail="slow"))
        ledger.send("z", 7.0)
        ledger.refuse("z")
        ledger.lose("z", TranslationFailure(kind="busy", detail="429"))
        figures = (ledger.num_sent, ledger.num_open, ledger.open_cost)
    assert figures == (5, 2, 8.0)
    known = Ledger(path)
    assert (known.num_sent, known.num_open, known.open_cost) == figures


def test_the_cost_of_each_translator_is_known_after_a_restart(path):
    with Ledger(path) as ledger:
        for name in ("x", "second x", "second y"):
            ledger.send(name, 3.0)
        ledger.answer("x", MADE)
        ledger.answer("second x", MADE)
    known = Ledger(path)
    assert (known.spent(""), known.spent("second ")) == (0.5, 3.5)
    assert known.cost + known.open_cost == 4.0


def test_a_line_of_somebody_else_is_told(path):
    path.write_text('{"found": "x"}\n')
    with pytest.raises(DataError, match="neither a request nor an answer"):
        Ledger(path)


def test_the_words_and_the_reasons_name_an_answer(request_of):
    request = request_of("What is it?", "A cat.")
    other = request_of("What is it?", "A cat.", number=2)
    names = {
        answer_id(one)
        for one in (
            request,
            request_of("What is it?", "A dog."),
            request_of("What is it?", "A cat.", language="fr"),
            dataclasses.replace(request, attempt=1),
            dataclasses.replace(request, attempt=1, reasons=("short",)),
        )
    }
    assert len(names) == 5
    assert answer_id(other) == answer_id(request)
