import pytest

from palo.translate.checks.run import run_checks
from palo.translate.translated import Decision

_QUESTION, _ANSWER = "What is on the large table?", "There are two cups, a plate and a spoon."
_RIGHT = {
    "fr": ("Qu’y a-t-il sur la table\u00a0?", "Il y a deux tasses et une cuillère."),
    "bn": ("বড় টেবিলের উপর কী আছে?", "দুটি কাপ, একটি প্লেট এবং একটি চামচ আছে।"),
    "ar": ("ماذا يوجد على الطاولة الكبيرة؟", "هناك كوبان وطبق وملعقة على الطاولة."),
    "ja": ("大きなテーブルの上には何がありますか？", "カップが二つと皿とスプーンがあります。"),
}  # fmt: skip


def _refusals(request, *texts):
    results = run_checks(request, texts)
    return {one.check for one in results if one.decision is not Decision.ACCEPT}


@pytest.mark.parametrize("language", _RIGHT)
@pytest.mark.parametrize(
    "fault",
    [
        lambda question, answer: (question, answer[:3] + answer[3] * 9 + answer[4:]),
        lambda question, answer: (question, answer[:4] + answer[2:5] * 7 + answer[4:]),
        lambda question, answer: (question, answer + "!" * 8),
        lambda question, answer: (question, answer + "?" * 8),
        lambda question, answer: (question, question),
        lambda question, answer: (question, f"{question} {answer}"),
        lambda question, answer: (question, f"{answer} {answer}"),
    ],
    ids=["letter", "syllable", "exclamations", "questions", "question", "echo", "twice"],
)
def test_loops_and_echoes_are_refused(make_request, language, fault):
    request = make_request(_QUESTION, _ANSWER, language=language)
    assert not _refusals(request, *_RIGHT[language])
    assert _refusals(request, *fault(*_RIGHT[language]))


def test_what_the_source_repeats_may_be_repeated(make_request):
    request = make_request("Is it a yes?", "Yeeeees!!! Yes, yes.")
    assert not _refusals(request, "Est-ce un oui\u00a0?", "Ouiiiii!!! Oui, oui.")
    request = make_request("A red apple on a table.", "A red apple on a table.")
    same = "Une pomme rouge sur une table."
    assert not _refusals(request, same, same)


def test_an_answer_that_differs_in_vowel_signs_is_no_echo(make_request):
    """Regression: Bengali's signs were dropped, and রং কী stands in রং কালো then."""
    request = make_request("What colour is the star?", "The star is black.", language="bn")
    assert not _refusals(request, "তারাটির রং কী?", "তারাটির রং কালো।")
