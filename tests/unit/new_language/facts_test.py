import pytest

from palo import languages
from palo.languages import Language
from palo.new_language.cldr import read_cldr
from palo.new_language.facts import compare_letters, full_stop, llama_tokens, question_mark


@pytest.mark.parametrize("language", list(languages.every()), ids=languages.codes())
def test_scripts_end_sentences_as_the_built_in_languages_do(language):
    # Urdu and French have marks that others of their script don't have.
    if language.code != "ur":
        assert full_stop(language.script) == language.full_stop
    if language.code != "fr":
        assert question_mark(language.script) == language.question_mark


def test_persian_shares_letters_with_urdu_that_arabic_lacks():
    letters = compare_letters(read_cldr("fa"), languages.every())
    assert letters.own == ""
    assert set(letters.usual) == set("یکگپچژ")


def test_a_language_with_letters_that_no_other_has_is_known_by_them():
    letters = compare_letters(read_cldr("vi"), languages.every())
    assert {"ế", "ộ", "ơ"} <= set(letters.own)
    assert not set(letters.own) & set("aáéç")


def test_a_language_alone_in_its_script_needs_none():
    letters = compare_letters(read_cldr("th"), languages.every())
    assert (letters.own, letters.usual) == ("", "")


def test_a_neighbour_that_cldr_lacks_is_compared_by_what_it_says_of_itself():
    neighbour = Language(
        code="qqq", name="Q", native_name="Q", script="Thai", own_letters="ก", usual_letters="า"
    )
    assert "ก" not in compare_letters(read_cldr("th"), [neighbour]).own


def test_tokens_are_estimated_from_the_script_else_from_the_bytes_of_letters():
    assert llama_tokens(read_cldr("fa")) == pytest.approx(3.8)
    assert llama_tokens(read_cldr("th")) == 5.0
    assert llama_tokens(read_cldr("he")) == 3.0
