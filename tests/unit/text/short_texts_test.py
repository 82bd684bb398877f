"""Answers of a word or a few, in ten languages; and texts as short in others."""

import tomllib
from pathlib import Path

import pytest

from palo import languages
from palo.text.language_of import LanguageFinder

_TEXTS = tomllib.loads((Path(__file__).parent / "short_texts.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def judge():
    return LanguageFinder(tuple(languages.every())).judge


@pytest.mark.parametrize("code", languages.codes())
def test_short_answers_are_never_called_wrong(judge, code):
    answers = _TEXTS["right"][code]
    assert len(answers) >= 40
    texts = [*answers, *(answer.rstrip(".。۔।") for answer in answers)]
    assert [text for text in texts if judge(text, code).is_wrong] == []


@pytest.mark.parametrize("code", _TEXTS["wrong"])
def test_short_texts_in_other_languages_are_caught(judge, code):
    assert [text for text in _TEXTS["wrong"][code] if not judge(text, code).is_wrong] == []
