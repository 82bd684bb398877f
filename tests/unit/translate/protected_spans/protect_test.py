import pytest

from palo.translate.protected_spans.protect import ProtectionSettings, protect_text, restore_text

_SIGN = 'The sign says "STOP" 300 km before https://a.example/b?c=1. Mail me@x.example, `x = 3`.'


def test_what_must_stay_becomes_marks_and_numbers_stay_visible():
    locked = protect_text(_SIGN, "ar")
    assert locked.text == 'The sign says "⟦1⟧" 300 km before ⟦2⟧. Mail ⟦3⟧, ⟦4⟧.'
    assert [(one.kind, one.text) for one in locked.spans] == [
        ("quotation", "STOP"),
        ("unit", "300 km"),
        ("url", "https://a.example/b?c=1"),
        ("email", "me@x.example"),
        ("code", "`x = 3`"),
    ]
    assert restore_text(locked.text, locked.spans) == _SIGN


@pytest.mark.parametrize("mark", ["⟦2⟧", "⟦ 2 ⟧", "⟦٢⟧", "⟦২⟧", "〚2〛"])
def test_marks_are_known_again_whatever_a_translator_does_to_them(mark):
    locks = protect_text("<image> See www.a.example now", "ur").spans
    assert restore_text(f"دیکھیں {mark}", locks) == "دیکھیں www.a.example"


def test_a_mark_of_very_many_digits_stays():
    """Regression: Python refuses to read a number of more than 4,300 digits."""
    mark = f"⟦{'1' * 5000}⟧"
    locks = protect_text("see www.a.example", "fr").spans
    assert restore_text(f"{mark} ⟦001⟧", locks) == f"{mark} www.a.example"


def test_a_mark_that_stands_for_nothing_stays():
    assert restore_text("⟦7⟧", protect_text("see www.a.example", "fr").spans) == "⟦7⟧"


def test_marks_in_the_source_are_never_taken_for_ours():
    text = "⟦1⟧ is a mark, see www.a.example"
    locked = protect_text(text, "fr")
    assert [one.kind for one in locked.spans] == ["mark", "url"]
    assert restore_text(locked.text, locked.spans) == text


def test_quotations_are_locked_only_where_they_stand_in_the_image():
    assert not protect_text('He said "what a nice dog" and left.', "fr").spans
    assert [one.text for one in protect_text("A poster reading 'Fresh bread'.", "fr").spans] == [
        "Fresh bread"
    ]
    off = ProtectionSettings(quotations=False, numbers=False)
    assert not protect_text('The sign says "STOP" 3 times', "fr", settings=off).spans


def test_marks_are_numbered_through_a_conversation(make_request):
    request = make_request("See www.a.example", "No, 3 times www.b.example", language="hi")
    assert [one.text for one in request.turns] == ["See ⟦1⟧", "No, 3 times ⟦2⟧"]
