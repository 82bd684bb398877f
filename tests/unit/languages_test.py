"""The registry's facts are checked against Unicode, not against a second list of them."""

import unicodedata

import pytest

from palo import languages
from palo.errors import ConfigError
from palo.languages import Language


def test_the_ten_languages_come_in_the_order_of_the_papers_tables() -> None:
    assert languages.codes() == ("en", "zh", "fr", "es", "ru", "ja", "ar", "hi", "bn", "ur")
    assert [language.code for language in languages.every()] == list(languages.codes())


def test_the_papers_averages_are_over_six_and_four_languages() -> None:
    classes = [language.resource for language in languages.every()]
    assert classes == ["high"] * 6 + ["low"] * 4


@pytest.mark.parametrize("language", list(languages.every()), ids=languages.codes())
class TestFacts:
    def test_direction_is_that_of_the_letters(self, language: Language) -> None:
        letters = [c for c in language.native_name if unicodedata.category(c).startswith("L")]
        directions = {unicodedata.bidirectional(letter) for letter in letters}
        expected = {"rtl": {"AL"}, "ltr": {"L"}}[language.direction]
        assert directions == expected

    def test_digits_are_the_ten_digits_in_ascending_order(self, language: Language) -> None:
        assert [unicodedata.decimal(digit) for digit in language.digits] == list(range(10))

    def test_marks_are_punctuation(self, language: Language) -> None:
        marks = (language.full_stop, language.question_mark, *language.quotes)
        assert all(unicodedata.category(mark.strip()).startswith("P") for mark in marks)

    def test_the_code_leads_back_to_the_language(self, language: Language) -> None:
        assert languages.known(language.code)
        assert languages.get(language.code) is language


def test_arabic_and_urdu_share_a_script_but_not_their_digits() -> None:
    arabic, urdu = languages.get("ar"), languages.get("ur")
    assert arabic.script == urdu.script
    assert arabic.digits != urdu.digits


def test_an_eleventh_language_works_like_the_others(eleventh_language: Language) -> None:
    assert len(languages.codes()) == 11
    assert languages.codes()[-1] == eleventh_language.code
    assert languages.known(eleventh_language.code)
    assert languages.get(eleventh_language.code) in set(languages.every())


def test_an_eleventh_language_does_not_leak_out_of_its_test() -> None:
    assert len(languages.codes()) == 10


@pytest.mark.usefixtures("eleventh_language")
def test_registering_twice_is_fine_but_a_taken_code_is_not() -> None:
    languages.register(languages.get("sw"))
    other = Language(code="en", name="Other", native_name="Other", script="Latn")
    with pytest.raises(ConfigError, match="language code en is taken: English"):
        languages.register(other)
    assert languages.get("en").name == "English"


def test_an_unknown_code_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown language: 'xx'\. Use one of en, zh, fr"):
        languages.get("xx")
    assert not languages.known("xx")
    assert not languages.known(None)


@pytest.mark.parametrize("code", ["EN", "e1", "", "日本", "en-US"])
def test_a_malformed_code_is_refused(code: str) -> None:
    with pytest.raises(ConfigError, match="ISO 639-1"):
        Language(code=code, name="Odd", native_name="Odd", script="Latn")


def test_nine_digits_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs ten digits: 9"):
        Language(code="od", name="Odd", native_name="Odd", script="Latn", digits="123456789")
