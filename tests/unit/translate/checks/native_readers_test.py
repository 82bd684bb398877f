"""Translations into nine languages that native readers call right and wrong, a file for each."""

import tomllib
from pathlib import Path

import pytest

from palo.translate.checks.run import run_checks
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.translated import Decision

_CASES = {
    file.stem: tomllib.loads(file.read_text(encoding="utf-8"))
    for file in sorted((Path(__file__).parent / "native_readers").glob("*.toml"))
}


@pytest.fixture
def objections(make_request):
    """Returns a function that says what the checks have against a translation from English."""

    def judge(source, text, language):
        request = make_request(source, language=language)
        cleaned = normalize_translation(text, language, request.turns[0].spans)
        results = run_checks(request, (cleaned,), drafts=(text,))
        return [one.reason for one in results if one.decision is not Decision.ACCEPT]

    return judge


@pytest.mark.parametrize("language", _CASES)
def test_right_translations_are_accepted(objections, language):
    right = _CASES[language]["right"]
    assert len(right) >= 30
    refused = {text: objections(source, text, language) for source, text in right}
    assert {text: reasons for text, reasons in refused.items() if reasons} == {}


@pytest.mark.parametrize("language", _CASES)
def test_wrong_translations_are_caught(objections, language):
    wrong = _CASES[language]["wrong"]
    assert len(wrong) >= 15
    assert [text for source, text in wrong if not objections(source, text, language)] == []
