"""Every language has a full phrase book in its own script, marks and spelling."""

import itertools
import re
import unicodedata

import pytest

from palo import languages
from palo.errors import DataError
from palo.scenes.phrase_book import PhraseBook, phrase_book, register_phrase_book
from palo.scenes.questions import KINDS, SIDES, SceneFacts
from palo.scenes.scene import COLOURS, MAX_THINGS, PLACES, SHAPES, Scene, Thing

# What Unicode calls the letters of each script of the registry.
_LETTERS = {
    "Latn": ("LATIN",),
    "Hans": ("CJK",),
    "Cyrl": ("CYRILLIC",),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
    "Arab": ("ARABIC",),
    "Deva": ("DEVANAGARI",),
    "Beng": ("BENGALI",),
}
_PAIRS = list(itertools.product(SHAPES, COLOURS))
_CODES = languages.codes()


def every_fact() -> list[SceneFacts]:
    facts = [SceneFacts(kind="count_all", count=n) for n in range(1, MAX_THINGS + 1)]
    for n in range(1, MAX_THINGS + 1):
        facts += [SceneFacts(kind="count_shape", shape=s, count=n) for s in SHAPES]
        facts += [SceneFacts(kind="count_colour", colour=c, count=n) for c in COLOURS]
    for shape, colour in _PAIRS:
        facts += [SceneFacts(kind=k, shape=shape, colour=colour) for k in ("colour", "shape")]
        for place in PLACES:
            facts += [
                SceneFacts(kind=k, shape=shape, colour=colour, place=place) for k in ("place", "at")
            ]
    for (s, c), (t, d), side in itertools.product(_PAIRS, _PAIRS, SIDES):
        if (s, c) != (t, d):
            facts.append(
                SceneFacts(
                    kind="beside", shape=s, colour=c, side=side, anchor_shape=t, anchor_colour=d
                )
            )
    return facts


FACTS = every_fact()


@pytest.mark.parametrize("code", _CODES)
def test_words_every_fact_in_several_ways(code):
    book = phrase_book(code)
    assert book.language == code
    assert set(book.questions) == set(book.answers) == set(KINDS)
    for kind in KINDS:
        assert len(set(book.questions[kind])) >= 2


@pytest.mark.parametrize("code", _CODES)
def test_different_answers_read_differently(code):
    book = phrase_book(code)
    for kind in KINDS:
        facts = [fact for fact in FACTS if fact.kind == kind]
        assert len({book.answer(fact) for fact in facts}) == len(facts)


@pytest.mark.parametrize("code", _CODES)
def test_a_question_names_all_that_is_given(code):
    book = phrase_book(code)
    for number in (0, 1):
        by_question: dict[str, set[tuple[str, ...]]] = {}
        for fact in FACTS:
            given = (fact.kind, *_given(fact))
            by_question.setdefault(book.ask(fact, number), set()).add(given)
        assert all(len(given) == 1 for given in by_question.values())


def _given(fact: SceneFacts) -> tuple[str, ...]:
    match fact.kind:
        case "colour" | "count_shape":
            return (fact.shape,)
        case "shape" | "count_colour":
            return (fact.colour,)
        case "place":
            return (fact.shape, fact.colour)
        case "at":
            return (fact.place,)
        case "beside":
            return (fact.side, fact.anchor_shape, fact.anchor_colour)
    return ()


@pytest.mark.parametrize("code", _CODES)
def test_sentences_keep_to_script_marks_and_spelling(code):
    language, book = languages.get(code), phrase_book(code)
    sentences = {book.ask_description()}
    for fact in FACTS:
        questions = [book.ask(fact, wording) for wording in (0, 1)]
        assert all(question.endswith(language.question_mark) for question in questions)
        answer = book.answer(fact)
        assert answer.endswith(language.full_stop)
        assert answer.count(language.full_stop) == 1
        sentences.update(questions, [answer])
    for letter in set("".join(sentences)):
        if letter.isalpha():
            assert unicodedata.name(letter).startswith(_LETTERS[language.script]), letter
    for sentence in sentences:
        assert unicodedata.is_normalized("NFC", sentence)
        assert not re.search(r"[{}]|  |^ | $| [.,।۔؟]|\bNone\b", sentence), sentence
        first = next(letter for letter in sentence if letter.isalpha())
        assert first == first.upper()


@pytest.mark.parametrize("code", _CODES)
def test_caption_says_each_thing_once(code):
    book = phrase_book(code)
    first = Thing(cell=0, shape="star", colour="red")
    second = Thing(cell=8, shape="heart", colour="blue")
    both = book.caption(Scene(things=(first, second)))
    assert both == book.joiner.join(book.caption(Scene(things=(t,))) for t in (first, second))
    assert both.count(languages.get(code).full_stop) == 2


@pytest.mark.parametrize(
    ("code", "facts", "question", "answer"),
    [
        (
            "en",
            {"kind": "shape", "shape": "arrow", "colour": "red"},
            None,
            "The red shape is an arrow.",
        ),
        ("en", {"kind": "count_shape", "shape": "moon", "count": 1}, None, "There is one moon."),
        (
            "zh",
            {"kind": "count_shape", "shape": "star", "count": 2},
            "图中有几颗五角星？",
            "图中有两颗五角星。",
        ),
        (
            "fr",
            {"kind": "count_shape", "shape": "star", "count": 2},
            "Combien y a-t-il d’étoiles\u00a0?",
            "Il y a deux étoiles.",
        ),
        (
            "fr",
            {"kind": "colour", "shape": "star", "colour": "purple"},
            None,
            "L’étoile est violette.",
        ),
        (
            "es",
            {"kind": "count_colour", "colour": "blue", "count": 3},
            "¿Cuántas figuras azules hay?",
            "Hay tres figuras azules.",
        ),
        ("es", {"kind": "colour", "shape": "heart", "colour": "red"}, None, "El corazón es rojo."),
        (
            "ru",
            {"kind": "count_shape", "shape": "star", "count": 2},
            "Сколько звёзд на картинке?",
            "На картинке две звезды.",
        ),
        ("ru", {"kind": "colour", "shape": "heart", "colour": "blue"}, None, "Сердце синее."),
        (
            "ar",
            {"kind": "count_shape", "shape": "circle", "count": 3},
            "كم دائرة في الصورة؟",
            "في الصورة ثلاث دوائر.",
        ),
        (
            "ar",
            {"kind": "count_shape", "shape": "heart", "count": 3},
            "كم قلبًا في الصورة؟",
            "في الصورة ثلاثة قلوب.",
        ),
        (
            "ar",
            {"kind": "count_colour", "colour": "black", "count": 2},
            None,
            "في الصورة شكلان أسودان.",
        ),
        (
            "hi",
            {"kind": "count_colour", "colour": "blue", "count": 1},
            None,
            "चित्र में एक नीली आकृति है।",
        ),
        (
            "hi",
            {"kind": "count_shape", "shape": "star", "count": 3},
            "चित्र में कितने तारे हैं?",
            "चित्र में तीन तारे हैं।",
        ),
        (
            "ur",
            {"kind": "count_shape", "shape": "circle", "count": 2},
            None,
            "تصویر میں دو دائرے ہیں۔",
        ),
        (
            "bn",
            {"kind": "count_shape", "shape": "star", "count": 2},
            "ছবিতে কয়টি তারা আছে?",
            "ছবিতে দুটি তারা আছে।",
        ),
        (
            "ja",
            {"kind": "colour", "shape": "star", "colour": "green"},
            "星は何色ですか？",
            "星は緑色です。",
        ),
    ],
)
def test_grammar(code, facts, question, answer):
    book, fact = phrase_book(code), SceneFacts(**facts)
    if question:
        assert book.ask(fact) == question
    assert book.answer(fact) == answer


def test_a_language_without_a_book_says_so(eleventh_language):
    with pytest.raises(DataError, match="no phrase book") as caught:
        phrase_book(eleventh_language.code)
    assert "register" in caught.value.fix


def test_an_eleventh_book_can_be_registered(eleventh_language, monkeypatch):
    english = phrase_book("en")
    monkeypatch.setattr("palo.scenes.phrase_book._registered", {})
    book = PhraseBook(
        language=eleventh_language.code,
        slots=english.slots,
        questions=english.questions,
        answers=english.answers,
        request="eleza picha",
    )
    register_phrase_book(book)
    assert phrase_book(eleventh_language.code).ask_description() == "Eleza picha."
