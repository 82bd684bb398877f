import dataclasses
import json

import pytest

from palo import languages
from palo.data.records import Record
from palo.text.messages import Turn
from palo.translate.prompts import prompt
from palo.translate.prompts.prompt import (
    TranslatorNotes,
    conversation_messages,
    prompt_hash,
    translator_notes,
    turn_messages,
)
from palo.translate.protected_spans.protect import protect_record

TARGETS = [code for code in languages.codes() if code != "en"]


@pytest.fixture
def record():
    turns = (Turn("user", "What is at https://a.org?", 1), Turn("assistant", "A cat."))
    return Record(
        record_id="s/1@0", language="en", source="s", licence="", image="1.jpg", turns=turns
    )


@pytest.mark.parametrize("code", TARGETS)
def test_each_language_is_told_what_it_must_mind(record, code):
    system, user = conversation_messages(protect_record(record, code))
    assert languages.get(code).name in system["content"]
    assert languages.get(code).native_name in system["content"]
    assert len(translator_notes(code).issues) >= 5
    assert all(issue in system["content"] for issue in translator_notes(code).issues)
    assert "exactly 2 strings" in system["content"]
    assert json.loads(user["content"]) == {
        "turns": [
            {"role": "user", "text": "What is at ⟦1⟧?"},
            {"role": "assistant", "text": "A cat."},
        ]
    }


def test_the_issues_that_the_paper_names_are_there():
    said = {code: " ".join(translator_notes(code).issues) for code in TARGETS}
    assert all(word in said["ar"] for word in ("unation", "gender", "؟", "Standard"))
    assert "Devanagari" in said["hi"]
    assert "Bengali script" in said["bn"]
    assert "counter" in said["ja"]
    assert "measure word" in said["zh"]
    assert "ي" in said["ur"]


def test_a_language_has_the_codes_of_other_translators():
    codes = [translator_notes(code).nllb for code in languages.codes()]
    assert len(set(codes)) == len(codes)
    assert all(len(code) == len("urd_Arab") for code in codes)
    assert "spa" in translator_notes("es").apertium


def test_an_eleventh_language_needs_no_file(record, eleventh_language):
    system, _ = conversation_messages(protect_record(record, "sw"))
    assert "Kiswahili" in system["content"]
    assert "mind this" not in system["content"]
    assert translator_notes("sw") == TranslatorNotes(apertium=("sw",))


def test_why_the_last_attempt_was_refused_is_told(record):
    request = dataclasses.replace(protect_record(record, "ur"), reasons=("Turn 2: it is short.",))
    for messages in (conversation_messages(request), turn_messages(request, 1)):
        assert "Turn 2: it is short." in messages[-1]["content"]
        assert "Turn 2" not in messages[0]["content"]


def test_one_turn_comes_with_what_was_said_before(record):
    request = protect_record(record, "ur")
    _, first = turn_messages(request, 0)
    _, second = turn_messages(request, 1)
    assert "What was said before" not in first["content"]
    assert "user: What is at ⟦1⟧?" in second["content"]
    assert second["content"].endswith("A cat.")


def test_the_hash_names_the_words(monkeypatch):
    hashes = [prompt_hash(code) for code in languages.codes()]
    assert len(set(hashes)) == len(hashes)
    before = prompt_hash("ur")
    general = dict(prompt._general()) | {"context": "Before:"}
    monkeypatch.setattr(prompt, "_general", lambda: general)
    assert prompt_hash("ur") != before
