import tomllib

import pytest

from palo.errors import ConfigError
from palo.language_files import open_entries
from palo.new_language.entries import Entry
from palo.new_language.toml_text import completed, new_text, toml_value

ENTRIES = [
    Entry(key="name", origin="cldr", value="Swahili"),
    Entry(key="stop", origin="guess", value=".", note="ends a statement"),
    Entry(key="wish", example='Say "yes".', note="asks"),
    Entry(table="units", key="km/h", origin="cldr", value=["kilomita kwa saa"]),
    Entry(table="units", key="m", example=["metre"]),
    Entry(table="more", key="any", example=1, optional=True),
]


def test_a_new_file_says_who_fills_in_what():
    text = new_text(["Swahili (sw)."], ENTRIES)
    assert text.splitlines() == [
        "# Swahili (sw).",
        'name = "Swahili"',
        "# A guess: ends a statement.",
        'stop = "."',
        "# Asks.",
        '#? wish = "Say \\"yes\\"."',
        "",
        "[units]",
        '"km/h" = ["kilomita kwa saa"]',
        '#? m = ["metre"]',
        "",
        "[more]",
        "#: any = 1",
    ]
    assert open_entries(text) == [("", "wish"), ("units", "m")]


def test_a_whole_file_stays_as_it_is_byte_for_byte():
    text = new_text([], ENTRIES)
    assert completed(text, ENTRIES) == text
    spoken = text.replace('#? wish = "Say \\"yes\\"."', 'wish  =  "Sema ndiyo."   # mine')
    assert completed(spoken, ENTRIES) == spoken
    assert open_entries(spoken) == [("units", "m")]


def test_what_a_speaker_wrote_stays_and_what_is_missing_comes_where_it_belongs():
    theirs = (
        "# My own notes.\n"
        "name = 'Kiswahili'  # I prefer this\n"
        'long = """\nseveral\n  lines"""\n'
        "\n"
        "[units]\n"
        'm = ["mita"]\n'
        "\n"
        "[numbers]\n"
        "moja = 1"
    )
    text = completed(theirs, ENTRIES)
    values = tomllib.loads(text)
    assert values == tomllib.loads(theirs) | {
        "stop": ".",
        "units": {"m": ["mita"], "km/h": ["kilomita kwa saa"]},
    }
    assert [line for line in text.splitlines() if line in theirs.splitlines()] == (
        theirs.splitlines()
    )
    assert open_entries(text) == [("", "wish")]
    assert completed(text, ENTRIES) == text


@pytest.mark.parametrize(
    ("theirs", "fact"),
    [
        ("name = ", "it is no TOML"),
        ('units = { m = ["mita"] }', "nothing can be added"),
    ],
)
def test_a_file_that_nothing_can_be_added_to_is_refused(theirs, fact):
    with pytest.raises(ConfigError, match=fact):
        completed(theirs, ENTRIES)


def test_an_open_line_counts_until_its_key_is_set_in_its_table():
    text = '#? a = 1\n[one]\n#? a = 1\n"b c" = 2\n#? "b c" = 2\n[two]\na = 3\n'
    assert open_entries(text) == [("", "a"), ("one", "a")]


@pytest.mark.parametrize(
    "value", ['a\n"b" \\ ü', 3, 2.5, True, ["x", 1], {"one": "a", "5.other": "b", "é": [1]}]
)
def test_values_are_read_back_as_they_were(value):
    assert tomllib.loads(f"key = {toml_value(value)}")["key"] == value
