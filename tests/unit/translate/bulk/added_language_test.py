"""Translation into languages of which nothing but CLDR's facts is known."""

import pytest
from tests.fixtures.translation import WORDS, Scripted

from palo.translate.backends.backend import Draft
from palo.translate.prompts.prompt import conversation_messages, prompt_hash

PERSIAN = {
    "What is this?": "این چیست؟",
    "A red car stands in front of the house.": "یک ماشین قرمز جلوی خانه ایستاده است.",
    "Where is the dog?": "سگ کجاست؟",
    "The dog sleeps on the sofa.": "سگ روی مبل می‌خوابد.",
    "How many people are there?": "چند نفر آنجا هستند؟",
    "There are 3 people in the image.": "سه نفر در تصویر هستند.",
}
SWAHILI = {
    "What is this?": "Hiki ni nini?",
    "A red car stands in front of the house.": "Gari jekundu limesimama mbele ya nyumba.",
    "Where is the dog?": "Mbwa yuko wapi?",
    "The dog sleeps on the sofa.": "Mbwa analala kwenye sofa.",
}


def translator(words):
    return Scripted(lambda request, _: Draft(texts=tuple(words[t.text] for t in request.turns)))


@pytest.mark.parametrize(("code", "words"), [("fa", PERSIAN), ("sw", SWAHILI)])
def test_rows_are_translated_and_kept_before_a_native_speaker_has_written_a_word(
    add_languages, translate, read_lines, code, words
):
    add_languages(code)
    report = translate(translator(words), codes=(code,))
    assert report.languages[code].records == 3
    rows = read_lines(f"records/{code}.jsonl")
    said = [turn["value"] for turn in rows[0]["conversations"]]
    assert said == ["<image>\n" + words[WORDS[0]], words[WORDS[1]]]
    assert rows[0]["language"] == code


@pytest.mark.parametrize(
    ("code", "wrong"), [("fa", "Mbwa analala kwenye sofa karibu na dirisha kubwa."), ("sw", None)]
)
def test_another_language_is_refused(add_languages, translate, code, wrong):
    add_languages(code)
    report = translate(
        Scripted(
            lambda request, _: Draft(texts=tuple(wrong or turn.text for turn in request.turns))
        ),
        codes=(code,),
    )
    assert report.languages[code].records == 0


def test_a_translator_gets_the_general_prompt_until_notes_are_written(add_languages, request_of):
    add_languages("fa")
    request = request_of(*WORDS[:2], language="fa")
    (system, _) = conversation_messages(request)
    assert "into Persian (فارسی)" in system["content"]
    assert "mind this" not in system["content"]
    before = prompt_hash("fa")
    add_languages("fa", translator='issues = ["Write the half-space in می‌شود."]\n')
    (system, _) = conversation_messages(request)
    assert "In Persian mind this:\n- Write the half-space" in system["content"]
    assert prompt_hash("fa") != before
