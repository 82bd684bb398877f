"""What a job asks for besides the translations: them translated back, and another translator's."""

import pytest
from tests.fixtures.translation import SPANISH, WORDS, Scripted

from palo.translate.backends.backend import Draft, TranslationFailure

ENGLISH = {spanish: english for english, spanish in SPANISH.items()}
STRANGE = "Xyz qwk."


def both_ways(request, number):
    """Knows Spanish, and the way back."""
    words = SPANISH if request.language == "es" else ENGLISH
    return Draft(texts=tuple(words[turn.text] for turn in request.turns), cost=1.0)


def test_a_translation_is_translated_back_and_compared(translate, read_lines):
    backend = Scripted(both_ways)
    report = translate(backend, round_trip=True)
    assert [request.language for request in backend.asked].count("en") == 2
    rows = read_lines("records/es.jsonl")
    assert [row["gates"]["round_trip"] for row in rows] == ["accept"] * 3
    assert "agreement" not in rows[0]["gates"]
    assert report.costs.cost == 4.0


def test_a_way_back_that_leads_elsewhere_goes_to_review(translate):
    def script(request, number):
        if request.language == "en":
            return Draft(texts=("Completely other words.", STRANGE))
        return None

    report = translate(Scripted(script), round_trip=True)
    assert (report.languages["es"].records, report.languages["es"].review) == (0, 3)


def test_what_nobody_asked_for_is_not_claimed(translate, read_lines):
    translate(Scripted())
    assert not {"round_trip", "agreement"} & set(read_lines("records/es.jsonl")[0]["gates"])


@pytest.mark.parametrize(("words", "review"), [(None, 0), ((STRANGE, STRANGE), 1)])
def test_a_second_translator_is_compared(translate, words, review):
    second = Scripted(
        lambda request, _: (
            Draft(texts=words) if words and request.turns[0].text == WORDS[0] else None
        )
    )
    second.name = "other"
    report = translate(Scripted(), second=second)
    assert len(second.asked) == 2
    account = report.languages["es"]
    assert (account.review, account.records) == (review, 3 - review)
    assert account.translators == {("scripted", "ab12"): 3}


def test_a_refused_translation_is_worth_no_second_opinion(translate):
    untouched = Draft(texts=tuple(WORDS[:2]))
    backend = Scripted(lambda request, _: untouched if request.turns[0].text == WORDS[0] else None)
    second = Scripted()
    report = translate(backend, second=second)
    assert report.languages["es"].quarantine == 1
    assert [request.turns[0].text for request in second.asked] == [WORDS[2]]


def test_the_next_run_asks_for_the_opinions_that_are_missing(translate):
    lost = TranslationFailure(kind="busy", detail="HTTP 429")
    without = Scripted(lambda request, number: lost)
    first = translate(Scripted(both_ways), round_trip=True, second=without)
    assert (first.num_missing, first.lost["busy"]) == (3, 3)
    again, second = Scripted(both_ways), Scripted()
    report = translate(again, round_trip=True, second=second)
    assert (len(again.asked), len(second.asked), report.num_missing) == (0, 2, 0)
