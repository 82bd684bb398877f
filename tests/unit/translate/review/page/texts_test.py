"""The page speaks every language of the registry."""

import re
import string
import unicodedata

import pytest

from palo import languages
from palo.translate.review.decision import TAGS, FaultKind
from palo.translate.review.item import STATES
from palo.translate.review.page.queue import VIEWS
from palo.translate.review.page.settings import FOLDER, review_texts

_EVERY = list(languages.codes())
_NAMES = re.compile(r"\{\w+\}|Ctrl\+\w+|Alt\+\w")


def _texts(code):
    page = review_texts(code)
    return {**page.texts, **{f"errors.{name}": text for name, text in page.errors.items()}}


def _slots(text):
    return sorted(slot for _, slot, _, _ in string.Formatter().parse(text) if slot)


@pytest.mark.parametrize("code", _EVERY)
def test_a_language_has_every_text_and_no_other(code):
    english, texts = _texts("en"), _texts(code)
    assert review_texts(code).language.code == code
    assert texts.keys() == english.keys()
    assert all(text == text.strip() and text for text in texts.values())
    assert {name: _slots(text) for name, text in texts.items()} == {
        name: _slots(text) for name, text in english.items()
    }


@pytest.mark.parametrize("code", [code for code in _EVERY if code != "en"])
def test_no_text_was_left_in_english(code):
    english = _texts("en")
    assert not {name for name, text in _texts(code).items() if text == english[name]} - {"note"}


@pytest.mark.parametrize("code", [code for code in _EVERY if languages.get(code).script != "Latn"])
def test_no_latin_letters_are_in_other_scripts(code):
    for name, text in _texts(code).items():
        letters = [one for one in _NAMES.sub("", text) if one.isalpha()]
        assert letters, name
        assert not [one for one in letters if unicodedata.name(one).startswith("LATIN")], name


def test_urdu_is_not_written_with_arabic_letters():
    for name, text in _texts("ur").items():
        assert not set("يكة") & set(text), f"{name}: {text}"


def test_everything_that_is_said_by_name_has_its_words():
    words = review_texts("en")
    wanted = {f"tag_{tag}" for tag in TAGS} | {f"view_{view}" for view in VIEWS}
    assert wanted | {f"state_{state}" for state in STATES} <= words.texts.keys()
    # Reviewers can't make the other faults with the page.
    assert {"turns", "empty", "too_long", "unreadable", "span"} <= words.errors.keys()
    assert set(words.errors) - {"other"} <= set(FaultKind.__args__)


def test_there_is_no_file_of_an_unknown_language():
    assert {path.stem for path in FOLDER.iterdir()} == set(_EVERY)
