import re
import string
import unicodedata

import pytest

from palo import languages
from palo.api_errors import APIErrorCode
from palo.client import ClientErrorCode, EndpointError
from palo.webui import texts as words
from palo.webui.texts import chosen_language, page_texts

_SCRIPTS = {
    "Latn": "LATIN",
    "Hans": "CJK",
    "Jpan": ("HIRAGANA", "KATAKANA", "CJK"),
    "Cyrl": "CYRILLIC",
    "Arab": "ARABIC",
    "Deva": "DEVANAGARI",
    "Beng": "BENGALI",
}
# Names that every language writes in Latin letters here.
_NAMES = re.compile(r"\{\w+\}|API|PNG|JPEG|WebP")
_CODES = [*APIErrorCode, *ClientErrorCode]
_EVERY = list(languages.codes())


def _texts(code):
    page = page_texts(code)
    return {**page.texts, **{f"errors.{name}": text for name, text in page.errors.items()}}


@pytest.mark.parametrize("code", _EVERY)
def test_a_language_has_every_text_and_no_other(code):
    assert page_texts(code).language.code == code
    assert _texts(code).keys() == _texts("en").keys()
    assert all(text == text.strip() and text for text in _texts(code).values())


@pytest.mark.parametrize("code", _EVERY)
def test_every_reason_to_refuse_has_its_words(code):
    assert set(page_texts(code).errors) == set(map(str, _CODES))


@pytest.mark.parametrize("code", _EVERY)
def test_texts_are_in_the_script_of_their_language(code):
    wanted = _SCRIPTS[languages.get(code).script]
    for name, text in _texts(code).items():
        letters = [letter for letter in _NAMES.sub("", text) if letter.isalpha()]
        wrong = [letter for letter in letters if not unicodedata.name(letter).startswith(wanted)]
        assert not wrong, f"{name}: {text}"
        assert letters, name


@pytest.mark.parametrize("code", _EVERY)
def test_a_text_has_the_slots_of_the_english_one(code):
    def slots(text):
        return sorted(slot for _, slot, _, _ in string.Formatter().parse(text) if slot)

    english = _texts("en")
    for name, text in _texts(code).items():
        assert slots(text) == slots(english[name]), name


@pytest.mark.parametrize("code", [code for code in _EVERY if code != "en"])
def test_no_text_was_left_in_english(code):
    english = _texts("en")
    # French writes these as English does.
    same = {name for name, text in _texts(code).items() if text == english[name]}
    assert same <= {"conversation", "image"}


@pytest.mark.parametrize("code", _EVERY)
def test_sentences_end_as_those_of_their_language(code):
    stop = languages.get(code).full_stop
    wrong = [text for text in page_texts(code).errors.values() if not text.endswith(stop)]
    assert not wrong


def test_there_is_no_file_of_an_unknown_language():
    assert {path.stem for path in words.FOLDER.iterdir()} == set(_EVERY)


def test_an_eleventh_language_speaks_english_until_it_has_a_file(eleventh_language):
    assert page_texts(eleventh_language.code).texts == page_texts("en").texts


def test_urdu_is_not_written_with_arabic_letters():
    for name, text in _texts("ur").items():
        assert not set("يكة") & set(text), f"{name}: {text}"


def test_an_error_says_how_long_to_wait_and_what_the_request_is_called():
    busy = EndpointError("full", code=APIErrorCode.OVERLOADED, retry_after_s=6.2, request_id="r-1")
    told = page_texts("ar").error(busy)
    assert "\u20687\u2069 ث" in told
    assert "\u2068r-1\u2069" in told
    assert "\u20685\u2069 s" in page_texts("en").error(EndpointError("f", code=busy.code))


@pytest.mark.parametrize(
    ("cookie", "accepted", "code"),
    [
        ("bn", "ar", "bn"),
        ("xx", "de-DE, ur-PK;q=0.8, en;q=0.5", "ur"),
        (None, "zh-Hant-TW", "zh"),
        (None, "de", "en"),
        (None, None, "en"),
    ],
)
def test_a_visitor_gets_their_language(cookie, accepted, code):
    assert chosen_language(cookie, accepted) == code
