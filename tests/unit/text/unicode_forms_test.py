import sys
import unicodedata
from random import Random

import pytest

from palo.text import normal_form
from palo.text.normal_form import normalized

MARKS = "\u0301\u0323\u0f73\u0f75\u0344\u05b0\u0947\u3099\uff9e\uff9f\U0001d165"


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_every_order_of_marks_becomes_the_canonical_one(form, monkeypatch):
    monkeypatch.setattr(normal_form, "_SHORT", 0)
    draw = Random(0)
    for _ in range(500):
        marks = "".join(draw.choices(MARKS, k=draw.randint(1, 190)))
        text = "".join(draw.choices(("é", "क", "漢", " ", "ｶ", "", marks, marks[:20]), k=8))
        assert normalized(form, text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_all_characters_that_become_marks_are_known(form):
    for character in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.combining(unicodedata.normalize(f"NF{form[2:-1]}D", character)[0]):
            assert character in normal_form._marks(form), ascii(character)
            assert normal_form._many_marks(form).fullmatch(character * 64), ascii(character)


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_short_texts_and_halves_of_surrogates_pass(form):
    assert normalized(form, "e\u0301") == "é"
    assert normalized(form, "\ud800" * 2000) == "\ud800" * 2000


def test_a_run_of_many_marks_is_seen_wherever_it_begins():
    for start in range(16):
        assert normal_form._may_have_many_marks("NFC", "a" * start + "\u0301" * 64 + "b" * 99)
