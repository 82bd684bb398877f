import pytest

from palo import languages
from palo.text.scripts import letters_by_script


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("", {}),
        ("12 + 3 = ٤٥ १२, \u2067!\u2069", {}),
        ("Café 7", {"Latn": 4}),
        ("Это BMW", {"Cyrl": 3, "Latn": 3}),
        ("日本のカメラ・ー", {"Hani": 2, "Kana": 5}),
        ("𠀀", {"Hani": 1}),
        ("हिन्दी", {"Deva": 6}),
        ("😀\U0010ffff", {}),
        ("\ud800a", {"Latn": 1}),
        ("서울", {"Hang": 2}),
    ],
)
def test_letters_count_for_their_script(text, letters):
    assert letters_by_script(text) == letters


@pytest.mark.parametrize("language", languages.every(), ids=lambda language: language.code)
def test_every_language_writes_its_name_in_its_script(language):
    written = {"Hans": "Hani", "Jpan": "Hani"}.get(language.script, language.script)
    assert set(letters_by_script(language.native_name)) == {written}
