"""What pages and scenes say passes the project's own rules and checks, in every language."""

import tomllib
from pathlib import Path

import pytest

from palo import languages
from palo.scenes.phrase_book import phrase_book
from palo.scenes.questions import KINDS, SceneFacts
from palo.scenes.scene import COLOURS, MAX_THINGS, PLACES, SHAPES
from palo.translate.checks.run import run_checks
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.review.page.settings import FOLDER as REVIEW_TEXTS
from palo.translate.translated import Decision
from palo.webui.texts import FOLDER as CHAT_TEXTS

_CODES = languages.codes()


def _texts(folder: Path, code: str) -> dict[str, str]:
    values = tomllib.loads((folder / f"{code}.toml").read_text(encoding="utf-8"))
    return values | values.pop("errors", {})


@pytest.mark.parametrize("folder", [CHAT_TEXTS, REVIEW_TEXTS], ids=["chat", "review"])
@pytest.mark.parametrize("code", _CODES)
def test_page_texts_follow_the_conventions_of_their_language(folder, code):
    texts = _texts(folder, code)
    assert {name: normalize_translation(text, code) for name, text in texts.items()} == texts


@pytest.mark.parametrize("folder", [CHAT_TEXTS, REVIEW_TEXTS], ids=["chat", "review"])
@pytest.mark.parametrize("code", [code for code in _CODES if code != "en"])
def test_page_texts_pass_the_checks(folder, code, make_request):
    english = _texts(folder, "en")
    for name, text in _texts(folder, code).items():
        request = make_request(english[name], language=code)
        refused = [
            one for one in run_checks(request, (text,)) if one.decision is not Decision.ACCEPT
        ]
        assert not refused, (name, text, refused)


def _facts():
    """Every kind of fact, each with some of its words."""
    for number, kind in enumerate(KINDS * 6):
        shape, colour = SHAPES[number % len(SHAPES)], list(COLOURS)[number % len(COLOURS)]
        yield SceneFacts(
            kind=kind,
            shape=shape,
            colour=colour,
            place=list(PLACES)[number % len(PLACES)],
            count=1 + number % MAX_THINGS,
            side=("left", "right", "above", "below")[number % 4],
            anchor_shape=SHAPES[(number + 1) % len(SHAPES)],
            anchor_colour=colour,
        )


@pytest.mark.parametrize("code", _CODES)
def test_scenes_and_wishes_follow_the_conventions_of_their_language(code):
    language, book = languages.get(code), phrase_book(code)
    said = [language.answer_wish, language.caption_wish, book.ask_description()]
    for facts in _facts():
        said += [book.ask(facts), book.ask(facts, 1), book.answer(facts)]
    assert [normalize_translation(text, code) for text in said] == said


@pytest.mark.parametrize("code", [code for code in _CODES if code != "en"])
def test_what_is_said_of_scenes_passes_the_checks(code, make_request):
    english, book = phrase_book("en"), phrase_book(code)
    for facts in _facts():
        request = make_request(english.ask(facts), english.answer(facts), language=code)
        results = run_checks(request, (book.ask(facts), book.answer(facts)))
        refused = [one for one in results if one.decision is not Decision.ACCEPT]
        assert not refused, (english.answer(facts), book.answer(facts), refused)
