import pytest

from palo import languages
from palo.translate.normalizers.normalize import normalize_translation, rules_applied
from palo.translate.perturbations.conventions import mended_slips, rule_changes, slips_of

_TEXTS = {
    "zh": "他说：“你好，10只猫。”",
    "fr": "L’ami dit\u00a0: «\u00a0oui, il a (déjà) dix chats\u00a0».",
    "es": "¿Qué es (esto)? Es un gato, dijo.",
    "ru": "Он (врач) сказал «да» — и ушёл, видимо.",
    "ja": "彼は「猫が10匹、いる」と言った。",
    "ar": "قال (أحمد)، في البيت ٥ كتب، هذا.",
    "hi": "राम (मेरा भाई) आया है, और वह बैठा है।",
    "bn": "রহিম (আমার ভাই) এসেছেন, এবং তিনি বসেছেন।",
    "ur": "احمد (میرا بھائی) آیا ہے، اور وہ یہاں ہے۔",
}


def test_every_language_has_slips():
    assert set(_TEXTS) == set(languages.codes()) - {"en"}
    assert all(len(slips_of(code)) >= 3 for code in languages.codes())


@pytest.mark.parametrize("code", list(_TEXTS))
def test_a_right_sentence_stays_and_most_slips_in_it_are_mended(code):
    text = _TEXTS[code]
    assert normalize_translation(text, code) == text
    assert not rules_applied(text, code)
    made = {name: one for name, one in mended_slips([text] * 4, code).items() if one.total}
    assert len(made) >= 3
    mended = sum(one.mended for one in made.values())
    assert mended >= 0.6 * sum(one.total for one in made.values())
    for one in made.values():
        assert one.mended + len(one.left) == one.total
        assert text not in one.left


def test_a_change_names_its_row_and_its_rules():
    (change,) = rule_changes([(7, "یہ ہے۔"), (8, "یہ  كتاب ہے.")], "ur")
    assert (change.row, change.after) == (8, "یہ کتاب ہے۔")
    assert change.rules == ("own letters", "full stop", "single spaces")


def test_slips_are_drawn_by_their_seed():
    texts = [_TEXTS["hi"]] * 20
    first, again, other = (mended_slips(texts, "hi", seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert {name: one.total for name, one in first.items()} == {
        name: one.total for name, one in other.items()
    }
