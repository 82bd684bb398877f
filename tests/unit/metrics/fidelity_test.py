import json
from collections import Counter

import pytest

from palo import languages
from palo.metrics.fidelity import answer_language

_FEW = 4


@pytest.mark.parametrize(
    ("answer", "expected", "found"),
    [
        ("A green hill by the sea.", "en", ("en", "right")),
        ("A green hill by the sea.", "ur", ("en", "wrong")),
        ("ایک سبز پہاڑی۔", "ur", ("ur", "right")),
        ("ایک سبز پہاڑی۔", "ar", ("ur", "wrong")),
        ("تل أخضر بجانب البحر", "ur", ("ar", "wrong")),
        ("สวัสดีครับ", "hi", ("Thai", "wrong")),
        ("Mona Lisa", "ur", (None, "unsure")),
        ("42", "bn", (None, "unsure")),
        ("  ", "bn", (None, "empty")),
        ("দুই", "bn", ("bn", "right")),
        ("`print(1)`", "ja", (None, "unsure")),
        ("これは Mona Lisa です", "ja", ("ja", "right")),
        # Short answers in letters that two languages write are no mistake.
        ("自転車", "ja", ("ja", "right")),
        ("東京 2020", "ja", (None, "unsure")),
        ("ek hari pahari hai", "hi", ("Latn", "wrong")),
        ("red", "hi", ("en", "wrong")),
        ("USB", "hi", (None, "unsure")),
        ("Зелена гора біля моря", "ru", ("uk", "wrong")),
        ("红色的自行车", "ja", ("zh", "wrong")),
        ("中国国家自然科学基金提供资金支持", "ja", ("zh", "wrong")),
        ("自転車", "zh", ("zh", "right")),
        ("سرخ", "ur", (None, "unsure")),
        ("دو درخت", "ur", (None, "unsure")),
        ("دراجة حمراء", "ur", ("ar", "wrong")),
        ("سرخ", "ar", ("ar", "right")),
    ],
)
def test_an_answer_is_in_a_language(answer, expected, found):
    assert tuple(answer_language(answer, expected)) == found


def _words(text, code):
    if languages.get(code).script in ("Hans", "Jpan"):
        return text[: 2 * _FEW]
    return " ".join(text.split()[:_FEW])


@pytest.mark.data
@pytest.mark.parametrize(
    ("shortened", "least", "decided"), [(False, 0.99, 0.98), (True, 0.97, 0.8)]
)
def test_what_is_decided_is_right(data_folder, shortened, least, decided):
    """A wrong language is asked for as often as the right one, so that neither is favoured."""
    path = data_folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    codes = languages.codes()
    for place, code in enumerate(codes):
        found = Counter()
        for number, row in enumerate(rows):
            text = _words(row[code], code) if shortened else row[code]
            asked = code if number % 2 else codes[(place + 1 + number // 2 % 9) % len(codes)]
            fidelity = answer_language(text, asked).fidelity
            found[fidelity == ("right" if asked == code else "wrong")] += fidelity != "unsure"
        assert found.total() >= decided * len(rows), (code, found)
        assert found[True] >= least * found.total(), (code, found)
