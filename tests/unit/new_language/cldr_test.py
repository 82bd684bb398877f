import unicodedata

import pytest

from palo import languages
from palo.errors import ConfigError
from palo.new_language.cldr import checked_code, read_cldr


@pytest.mark.parametrize(
    ("text", "fact", "fix"),
    [
        ("xx", "knows no language of this code: xx", "write its files by hand"),
        ("en", "built in", "docs/extend.md"),
        ("ur", "built in", "docs/extend.md"),
        ("pt_BR", "two or three small Latin letters", "Use pt."),
        ("zh-Hant", "without a region or script", "Use zh."),
        ("SW", "small Latin letters", "Use sw."),
        ("iw", "by another code", "Use he."),
        ("swa", "by another code", "Use sw."),
        ("", "small Latin letters", "such as sw"),
        ("../sw", "small Latin letters", "such as sw"),
    ],
)
def test_a_code_that_is_none_is_one_line_with_a_remedy(text, fact, fix):
    with pytest.raises(ConfigError) as caught:
        checked_code(text)
    assert fact in str(caught.value)
    assert fix in caught.value.fix
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", languages.BUILT_IN)
def test_it_says_of_the_built_in_languages_what_we_do(code):
    ours, facts = languages.get(code), read_cldr(code)
    assert (facts.script, facts.direction) == (ours.script, ours.direction)
    assert facts.native_name == ours.native_name
    assert set(facts.other_codes) == set(ours.other_codes)
    # Where CLDR takes European digits as usual, its language may have own ones, too.
    assert facts.digits in (ours.digits, "0123456789")
    # CLDR calls Bengali Bangla.
    assert facts.name == ours.name or code == "bn"


def test_persian_is_written_from_right_to_left_with_digits_of_its_own():
    persian = read_cldr("fa")
    assert (persian.script, persian.direction) == ("Arab", "rtl")
    assert [unicodedata.decimal(digit) for digit in persian.digits] == list(range(10))
    assert persian.digits != languages.get("ar").digits
    assert set("پچژگکی") <= set(persian.letters)
    assert not set("ٹڈڑے") & set(persian.letters)
    assert persian.magnitudes["میلیون"] == 6
    assert persian.units["km"] == ("کیلومتر",)
    assert persian.decimal == "٫"


def test_swahili_has_units_before_the_number_and_names_in_other_languages():
    swahili = read_cldr("sw")
    assert swahili.native_name == "Kiswahili"
    assert swahili.units["km"][0] == "kilomita"
    assert swahili.magnitudes == {"elfu": 3, "milioni": 6, "bilioni": 9, "trilioni": 12}
    assert swahili.months[0] == "Januari"
    assert swahili.plurals[:3] == ("other", "one", "other")
    assert swahili.names_elsewhere["hi"] == "स्वाहिली"
    assert swahili.names_here["en"] == "Kiingereza"


def test_letters_that_stand_for_words_that_a_language_lacks_are_no_magnitudes():
    assert read_cldr("ckb").magnitudes == {}
