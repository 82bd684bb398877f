import json

import pytest

from palo import languages
from palo.corpus.config import AS_IT_IS, CleaningSettings
from palo.corpus.parse.cleaner import Cleaner
from palo.data.records import Record
from palo.reasons import Reason
from palo.text.messages import Turn

KNOWN = tuple(languages.every())
FRENCH = "Un homme roule à vélo le long de la rivière."
ENGLISH = "A man is riding a bicycle along the river."
QUESTION = "Que fait cet homme ?"


def record(*answers, language="fr", question=QUESTION, image="a.jpg"):
    turns = []
    for number, answer in enumerate(answers):
        has_image = image is not None and number == 0
        turns += [Turn("user", question, int(has_image)), Turn("assistant", answer)]
    return Record(
        record_id="s/0@0",
        language=language,
        source="s",
        licence="",
        image=image,
        turns=tuple(turns),
    )


def test_a_clean_record_goes_on_as_it_is():
    cleaner = Cleaner(CleaningSettings(), KNOWN)
    clean = record(FRENCH)
    assert cleaner.clean(clean) is clean
    assert not cleaner.counts


def test_changed_turns_are_counted_by_language_and_keep_their_image():
    cleaner = Cleaner(CleaningSettings(), KNOWN)
    clean = cleaner.clean(record(FRENCH + " &amp;\r\n", FRENCH, question=QUESTION + "\u200b"))
    assert [turn.text for turn in clean.turns] == [QUESTION, f"{FRENCH} &", QUESTION, FRENCH]
    assert [turn.num_images for turn in clean.turns] == [1, 0, 0, 0]
    assert cleaner.counts == {"fr": {"normal_form": 3}}


def test_a_question_may_be_an_image_alone_but_an_answer_needs_words():
    cleaner = Cleaner(CleaningSettings(), KNOWN)
    assert isinstance(cleaner.clean(record(FRENCH, question="&nbsp;")), Record)
    assert cleaner.clean(record("\u200b")).reason is Reason.EMPTY_TURN
    assert cleaner.clean(record(FRENCH, question="\ufeff", image=None)).reason is Reason.EMPTY_TURN


def test_a_record_is_judged_by_most_of_its_answers():
    cleaner = Cleaner(CleaningSettings(), KNOWN)
    rejected = cleaner.clean(record(ENGLISH, ENGLISH, FRENCH))
    assert rejected.reason is Reason.NOT_IN_LANGUAGE
    assert (rejected.detail, rejected.language) == ("in en", "fr")
    assert isinstance(cleaner.clean(record(ENGLISH, FRENCH, FRENCH)), Record)
    assert isinstance(cleaner.clean(record(FRENCH, question=ENGLISH)), Record)
    long = " ".join([FRENCH] * 200)
    assert isinstance(cleaner.clean(record(ENGLISH, long)), Record)
    assert cleaner.clean(record(long, language="hi")).detail == "in fr"


@pytest.mark.parametrize(
    ("language", "answer", "detail"),
    [
        ("hi", "tasveer mein ek laal gola neele chaukor ke baayin taraf hai", "in the script Latn"),
        ("ru", "Чоловік їде на велосипеді вздовж річки, а хлопець дивиться.", "in uk"),
        ("zh", "紅色的腳踏車停在車站前面的廣場上", "in the script Hant"),
        ("hi", "Yes.", "in en"),
    ],
)
def test_what_an_answer_is_in_is_told(language, answer, detail):
    rejected = Cleaner(CleaningSettings(), KNOWN).clean(record(answer, language=language))
    assert (rejected.reason, rejected.detail) == (Reason.NOT_IN_LANGUAGE, detail)


@pytest.mark.parametrize("answer", ["Toyota", "USB", "2", "OK", "मुझे यह photo bahut पसंद है yaar"])
def test_short_and_mixed_answers_stay(answer):
    assert isinstance(
        Cleaner(CleaningSettings(), KNOWN).clean(record(answer, language="hi")), Record
    )


def test_a_record_in_another_language_may_stay():
    cleaner = Cleaner(CleaningSettings(other_language="keep"), KNOWN)
    assert isinstance(cleaner.clean(record(ENGLISH)), Record)
    assert cleaner.counts == {"fr": {"other_language": 1}}
    cleaner = Cleaner(CleaningSettings(other_language="off"), KNOWN)
    assert isinstance(cleaner.clean(record(ENGLISH)), Record)
    assert not cleaner.counts


@pytest.mark.parametrize("text", ["Cafe\u0301 &amp; \r\n", "\u200b", ENGLISH])
def test_as_it_is_changes_nothing(text):
    dirty = record(text)
    assert Cleaner(AS_IT_IS, KNOWN).clean(dirty) is dirty


@pytest.mark.data
@pytest.mark.parametrize("code", languages.codes())
def test_real_sentences_are_kept(data_folder, code):
    path = data_folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    texts = [json.loads(line)[code] for line in path.read_text().splitlines()]
    cleaner = Cleaner(CleaningSettings(), KNOWN)
    records = [
        record(*texts[start : start + 4], language=code, question=texts[start + 4])
        for start in range(0, len(texts), 5)
    ]
    assert [isinstance(cleaner.clean(value), Record) for value in records].count(False) <= 1
