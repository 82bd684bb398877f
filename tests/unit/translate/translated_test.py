import pytest

from palo.data.records import Record
from palo.text.messages import Turn
from palo.translate.request import TranslationRequest
from palo.translate.translated import CheckResult, Decision, Translated, decide


@pytest.fixture
def source():
    turns = (Turn("user", "What is it?", 1), Turn("assistant", "A cat."))
    return Record(
        record_id="photos/1@0",
        language="en",
        source="photos",
        licence="CC0",
        image="1.jpg",
        turns=turns,
    )


def test_a_translation_is_a_record_that_tells_where_it_came_from(source):
    checks = (
        CheckResult(check="locks"),
        CheckResult(check="length", decision=Decision.REVIEW, reason="It is short.", doubt=0.6),
    )
    translated = Translated(
        source=source,
        language="ur",
        texts=("یہ کیا ہے؟", "ایک بلی۔"),
        translator="tiny",
        prompt_hash="ab12",
        checks=checks,
        reviewer="amina",
    )
    record = translated.record
    assert record.turns == (Turn("user", "یہ کیا ہے؟", 1), Turn("assistant", "ایک بلی۔"))
    assert (record.image, record.licence) == ("1.jpg", "CC0")
    assert record.origin_record_id == source.record_id
    assert record.record_id == TranslationRequest(source=source, language="ur", turns=()).key
    assert record.gates == {
        "locks": "accept",
        "length": "review",
        "prompt": "ab12",
        "reviewer": "amina",
    }
    assert decide(checks) is Decision.REVIEW
    assert translated.doubt == 0.6


def test_a_turn_that_is_missing_makes_no_record(source):
    with pytest.raises(ValueError, match="shorter"):
        _ = Translated(source=source, language="ur", texts=("یہ کیا ہے؟",), translator="t").record
