import tomllib

import pytest

from palo import languages
from palo.errors import ConfigError
from palo.language_files import KINDS, open_entries
from palo.new_language.add import add_language
from palo.translate.language_profiles.profile import language_profile
from palo.translate.prompts.prompt import translator_notes


def read(language, kind):
    return (language.folder / f"{kind}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", ["sw", "fa", "mr", "th", "am", "vi", "he", "ckb", "yue", "uk"])
def test_every_file_of_a_language_can_be_read_by_what_needs_it(add_languages, code):
    language = add_languages(code)
    assert [file.kind for file in language.files] == list(KINDS)
    for kind in KINDS:
        tomllib.loads(read(language, kind))
    facts = languages.get(code)
    assert (facts.code, facts.resource) == (code, "low")
    assert languages.codes() == (*languages.BUILT_IN, code)
    assert language_profile(code).units["km"]
    assert code in translator_notes(code).apertium


def test_it_is_made_from_cldr_and_leaves_the_rest_to_a_speaker(add_languages):
    language = add_languages("fa")
    persian = languages.get("fa")
    assert (persian.name, persian.native_name) == ("Persian", "فارسی")
    assert (persian.direction, persian.question_mark) == ("rtl", "؟")
    assert persian.answer_wish == "Answer in Persian."
    assert persian.caption_wish == ""
    assert ("", "answer_wish") in open_entries(read(language, "language"))
    assert {file.kind for file in language.files if file.still_open} == set(KINDS)
    assert "#? is left to whoever speaks Persian" in read(language, "chat_page")
    assert language.num_open == sum(len(open_entries(read(language, kind))) for kind in KINDS)


def test_a_second_run_changes_nothing(languages_folder):
    first = add_language("sw", languages_folder)
    before = {path: path.read_bytes() for path in first.folder.iterdir()}
    again = add_language("sw", languages_folder)
    assert {file.state for file in first.files} == {"new"}
    assert {file.state for file in again.files} == {"unchanged"}
    assert {path: path.read_bytes() for path in again.folder.iterdir()} == before


def test_a_speakers_words_survive_and_only_what_is_missing_is_added(languages_folder):
    language = add_language("sw", languages_folder)
    (language.folder / "review_page.toml").unlink()
    page = language.folder / "chat_page.toml"
    theirs = 'send = "Tuma"\n\n[errors]\ntimeout = "Jibu lilichelewa."\n'
    page.write_text(theirs, encoding="utf-8")
    again = add_language("sw", languages_folder)
    states = {file.kind: file.state for file in again.files}
    assert (states["chat_page"], states["review_page"]) == ("completed", "new")
    assert set(states.values()) == {"completed", "new", "unchanged"}
    assert tomllib.loads(read(again, "chat_page")) == tomllib.loads(theirs)
    assert ("errors", "timeout") not in open_entries(read(again, "chat_page"))
    assert ("errors", "unreachable") in open_entries(read(again, "chat_page"))


def test_a_file_with_a_mistake_is_named_and_leaves_all_as_it_is(languages_folder):
    language = add_language("sw", languages_folder)
    (language.folder / "words.toml").unlink()
    (language.folder / "profile.toml").write_text("units = [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"sw/profile\.toml: it is no TOML"):
        add_language("sw", languages_folder)
    assert not (language.folder / "words.toml").exists()
    assert (language.folder / "profile.toml").read_text(encoding="utf-8") == "units = ["
