import dataclasses

import pytest

from palo.text.messages import Turn
from palo.translate.checks.case import CheckLimits, Evidence
from palo.translate.checks.run import CHECKS, CheckSettings, run_checks
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.protected_spans.protect import protect_record
from palo.translate.request import MOST_SPANS
from palo.translate.translated import Decision, decide

_QUESTION, _ANSWER = "What does the man do in the image?", "He rides 2 horses near a river."
_GOOD = ("Que fait l’homme sur la photo\u00a0?", "Il monte 2 chevaux près d’une rivière.")


def _against(results):
    return {result.check for result in results if result.decision is not Decision.ACCEPT}


def test_every_gate_accepts_a_good_translation(make_request):
    results = run_checks(make_request(_QUESTION, _ANSWER), _GOOD)
    assert decide(results) is Decision.ACCEPT
    assert [result.check for result in results] == list(CHECKS)[:-2]


def test_gates_that_need_evidence_speak_where_there_is_some(make_request):
    evidence = Evidence(round_trip=(_QUESTION, _ANSWER), second=_GOOD)
    results = run_checks(make_request(_QUESTION, _ANSWER), _GOOD, evidence=evidence)
    assert {result.check for result in results} == set(CHECKS)


@pytest.mark.parametrize(
    ("texts", "check"),
    [
        (_GOOD[:1], "turns"),
        ((_GOOD[0], " ... "), "turns"),
        ((_GOOD[0], "Il monte 3 chevaux près d’une rivière."), "protected_spans"),
        ((_GOOD[0], "Er reitet auf 2 Pferden in der Nähe eines Flusses."), "language"),
        ((_GOOD[0], "Monta 2 caballos cerca de un río, como se ve en la foto."), "language"),
        ((_GOOD[0], "Il monte 2 лошади près d’une rivière."), "script"),
        ((_GOOD[0], "Il monte 2 horses near a river."), "untranslated"),
        ((_GOOD[0], "2."), "length"),
        ((_GOOD[0], "Il monte 2 chevaux"), "ending"),
        ((_GOOD[0].replace("?", "."), _GOOD[1]), "ending"),
        ((_GOOD[0], "Il monte monte monte monte 2 chevaux près d’une rivière."), "repetition"),
        ((_GOOD[0], f"Voici la traduction : {_GOOD[1]}"), "chatter"),
        ((_GOOD[0], f"French: {_GOOD[1]}"), "chatter"),
        ((_GOOD[0], f"« {_GOOD[1]} »"), "chatter"),
        ((_GOOD[0], "I'm sorry, but I can't translate this."), "refusal"),
        ((_GOOD[0], f"{_GOOD[1]}\n\nIl est beau."), "layout"),
        ((_GOOD[0], "Il monte 2 chevaux (près d’une rivière."), "layout"),
        ((_GOOD[0], "Il monte 2 chevaux )près( d’une rivière."), "layout"),
        ((_GOOD[0], "Il monte 2 chevaux « près d’une rivière."), "layout"),
        ((_GOOD[0], "IL MONTE 2 CHEVAUX PRÈS D’UNE RIVIÈRE."), "layout"),
        ((_GOOD[0], "I l m o n t e 2 c h e v a u x."), "layout"),
        ((_GOOD[0], "Ilmonte2chevauxprèsd’unerivière."), "layout"),
        ((_GOOD[0], ".erèivir enu’d sèrp xuavehc 2 etnom lI"), "layout"),
        ((_GOOD[0], "Il monte 2 chevаux près d’une rivière."), "script"),
        ((_GOOD[0], "Él monta 2 caballos cerca del río más próximo, según señaló."), "script"),
        ((_GOOD[0], "Il monte 2 chevaux près d’une…"), "ending"),
        ((_GOOD[0], "Il monte 2 chevaux près d’une rivière,"), "ending"),
        ((_GOOD[0], f"({_GOOD[1]})"), "chatter"),
        ((_GOOD[0], f"‘{_GOOD[1]}’."), "chatter"),
        ((_GOOD[0], f"{_GOOD[1]} <image>"), "residue"),
    ],
)  # fmt: skip
def test_each_gate_says_what_it_is_for(make_request, texts, check):
    results = run_checks(make_request(_QUESTION, _ANSWER), texts)
    if check:
        assert check in _against(results)
    assert all(result.reason for result in results if result.decision is not Decision.ACCEPT)


@pytest.mark.parametrize(
    ("language", "text", "named"),
    [
        ("hi", "chinh par bade neele aksharon mein naam likha hai.", "Latin letters"),
        ("ru", "На вивісці великими синіми літерами написано назву.", "Ukrainian"),
        ("hi", "फलकावर मोठ्या निळ्या अक्षरांत नाव लिहिलेले आहे.", "Marathi"),
        ("ja", "招牌上用大大的蓝色字母写着名字。", "Chinese"),
    ],
)
def test_the_language_of_a_wrong_turn_is_named(make_request, language, text, named):
    request = make_request("The sign shows the name in large blue letters.", language=language)
    (result,) = [one for one in run_checks(request, (text,)) if one.check == "language"]
    assert result.reason.startswith(f"This turn is in {named}, not in ")


def test_letters_that_the_source_quotes_may_stay_but_not_those_of_its_own_script(make_request):
    request = make_request("The sign shows Москва in large blue letters.", language="hi")
    assert not _against(run_checks(request, ("चिह्न पर बड़े नीले अक्षरों में Москва लिखा है।",)))
    turns = (Turn("user", "यह एक बड़ा नीला घर है जो नदी के पास है।"),)
    hindi = dataclasses.replace(request.source, language="hi", turns=turns)
    left = ("یہ ایک بڑا नीला گھر ہے جو دریا کے پاس ہے۔",)
    assert "script" in _against(run_checks(protect_record(hindi, "ur"), left))


def test_a_name_that_is_kept_in_one_turn_only_goes_to_review(make_request):
    request = make_request("Who is with Alice today?", "Nobody is with Alice today.", language="ru")
    results = run_checks(request, ("Кто сегодня с Алисой?", "Сегодня никого нет с Alice."))
    assert _against(results) == {"terms"}
    assert decide(results) is Decision.REVIEW


def test_other_translations_count_only_where_they_are_asked_for(make_request):
    request = make_request(_QUESTION, _ANSWER)
    same = Evidence(round_trip=(_QUESTION, _ANSWER), second=_GOOD)
    assert not _against(run_checks(request, _GOOD, evidence=same))
    other = Evidence(round_trip=("A cat.", "No."), second=("Un chat.",))
    assert _against(run_checks(request, _GOOD, evidence=other)) == {"round_trip", "agreement"}


@pytest.mark.parametrize(
    ("text", "last"),
    [("Il monte 3 chevaux près d’une rivière.", Decision.REVIEW), ("", Decision.QUARANTINE)],
)
def test_after_some_attempts_nobody_is_asked_again(make_request, text, last):
    request = make_request(_QUESTION, _ANSWER)
    assert decide(run_checks(request, (_GOOD[0], text))) is Decision.RETRY
    tried = dataclasses.replace(request, attempt=2)
    assert decide(run_checks(tried, (_GOOD[0], text))) is last


def test_gates_are_adjustable_by_language(make_request):
    request = make_request(_QUESTION, _ANSWER)
    texts = (_GOOD[0], "Il monte 2 horses near a river.")
    loose = CheckSettings(by_language=(("fr", CheckLimits(untranslated_words=9, unknown_words=9)),))
    assert "untranslated" not in _against(run_checks(request, texts, loose))
    few = CheckSettings(names=("turns", "protected_spans"))
    assert [result.check for result in run_checks(request, texts, few)] == [
        "turns",
        "protected_spans",
    ]


def test_opening_marks_stand_before_their_words(make_request):
    request = make_request("Is it red?", language="es")
    assert not _against(run_checks(request, ("¿Es rojo?",)))
    assert "layout" in _against(run_checks(request, ("Es rojo¿?",)))
    assert "layout" in _against(run_checks(request, ("¿Es rojo?¿",)))


def test_a_language_is_judged_before_its_letters_are_changed(make_request):
    """Regression: clean-up gave Arabic the letters that identify Urdu."""
    request = make_request("There is a large brown dog near the old house.", language="ur")
    draft = "هناك كلب بني كبير بالقرب من البيت القديم في هذه الصورة."
    text = normalize_translation(draft, "ur")
    assert text != draft
    assert "language" in _against(run_checks(request, (text,), drafts=(draft,)))


def test_settings_tell_their_faults():
    assert not list(CheckSettings().faults())
    bad = CheckSettings(
        names=("lock",), retries=-1, by_language=(("xx", CheckLimits(length_spreads=0)),)
    )
    assert len(list(bad.faults())) == 5
    assert len(list(CheckLimits(shortest=-1, agreement=101).faults())) == 2


def test_an_eleventh_language_has_every_gate(make_request, eleventh_language):
    request = make_request(_QUESTION, _ANSWER, language=eleventh_language.code)
    good = ("Mwanamume anafanya nini kwenye picha?", "Anapanda farasi 2 karibu na mto.")
    assert not _against(run_checks(request, good))
    assert "protected_spans" in _against(
        run_checks(request, (good[0], "Anapanda farasi 3 karibu na mto."))
    )
    assert "untranslated" in _against(
        run_checks(request, (good[0], "He rides 2 horses near a mto."))
    )


def test_a_turn_with_very_many_locks_is_not_judged(make_request):
    """Regression: every pair of them was compared."""
    tags = " ".join(f"#a{number}" for number in range(MOST_SPANS + 1))
    (result,) = run_checks(make_request(_QUESTION, tags), (_GOOD[0], tags))
    assert (result.check, result.decision, result.turn) == ("turns", Decision.QUARANTINE, 1)
    assert result.reason == "The source of this turn holds 1001 parts that must stay."


def test_not_more_than_a_hundred_faults_of_locks_are_told(make_request):
    strays = " ".join(f"⟦{number}⟧" for number in range(500))
    results = run_checks(make_request(_QUESTION, _ANSWER), (_GOOD[0], f"{_GOOD[1]} {strays}"))
    assert sum(result.check == "protected_spans" for result in results) == 100


def test_a_conversation_with_very_many_names_is_not_looked_at_for_them(make_request):
    words = " ".join(f"near Name{chr(97 + n // 26 % 26)}{chr(97 + n % 26)}{'a' * (n // 676)}"
                     for n in range(1200))  # fmt: skip
    request = make_request(words, words, language="zh")
    assert not any(
        one.check == "terms" and one.reason for one in run_checks(request, (words, "那里"))
    )
