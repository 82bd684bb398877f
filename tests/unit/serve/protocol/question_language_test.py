import pytest

from palo.serve.protocol.question_language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What colour is the big circle on the left?", "en"),
        ("¿De qué color es el círculo grande de la izquierda?", "es"),
        ("De quelle couleur est le grand cercle à gauche ?", "fr"),
        ("这是什么？", "zh"),
        ("これは何ですか", "ja"),
        ("Что это?", "ru"),
        ("ما هذا؟", "ar"),
        ("यह क्या है?", "hi"),
        ("এটা কী?", "bn"),
        ("یہ کیا ہے؟ ٹھیک", "ur"),
        ("12 + 3", None),
        ("", None),
        ("여기 무엇이 있습니까 그리고 왜", None),
    ],
)
def test_the_language_of_a_question(text, language):
    assert language_of([text]) == language


def test_a_short_question_is_in_the_language_of_those_before_it():
    assert language_of(["Quels objets voit-on sur cette photo ?", "Et là ?"]) == "fr"
    assert language_of([]) is None


def test_only_the_last_turns_are_looked_at():
    texts = ["Quels objets voit-on sur cette photo ?", *["12 + 3"] * 20]
    assert language_of(texts[:8]) == "fr"
    assert language_of(texts) is None
