import itertools
import random
from collections import Counter

from palo import languages
from palo.recipes.nano import BASE
from palo.scenes.nano_base.texts import description, lessons, tokenizer_sentences
from palo.scenes.phrase_book import phrase_book
from palo.scenes.scene import PLACES, Scene, Thing
from palo.text.tokenizer import load_tokenizer


def test_lessons_repeat_with_their_seed():
    assert list(lessons(40, 1)) == list(lessons(40, 1))
    assert list(lessons(40, 1)) != list(lessons(40, 2))


def test_a_lesson_has_words_in_the_place_of_an_image_or_in_its_first_turn():
    described = 0
    for lesson in lessons(400, 0):
        conversation = lesson.conversation
        assert conversation.is_answered
        assert conversation.num_images == bool(lesson.cells)
        assert len(lesson.cells) in (0, len(PLACES))
        assert lesson.template in ("plain", "vicuna_v1")
        described += not lesson.cells
    assert 0 < described < 40


def test_the_words_of_a_cell_name_its_row_and_its_column():
    cells = {cell for lesson in lessons(300, 0) for cell in lesson.cells if cell}
    assert {len(cell.split()) for cell in cells} == {4}
    rows_and_columns = {tuple(cell.split()[2:]) for cell in cells}
    assert len(rows_and_columns) == len(PLACES)


def test_in_the_course_of_counting_a_cell_says_how_many_are_alike():
    counted = Counter()
    for lesson in lessons(200, 0, counting=True):
        cells = [cell.split() for cell in lesson.cells if cell]
        for colour, shape, _, place in cells:
            same_shape = sum(other[1] == shape for other in cells)
            same_colour = sum(other[0] == colour for other in cells)
            assert place[-2:] == f"{same_shape}{'abcd'[same_colour - 1]}"
            counted[place[-2:]] += 1
    assert len(counted) > 4


def test_the_courses_teach_different_scenes():
    assert [lesson.conversation for lesson in lessons(20, 0)] != [
        lesson.conversation for lesson in lessons(20, 0, counting=True)
    ]


def test_a_rehearsed_language_has_every_second_conversation():
    given = list(lessons(40, 0, counting=True, rehearsed="ar"))
    mark = languages.get("ar").question_mark
    asked = [mark in lesson.conversation.turns[0].text for lesson in given]
    assert sum(asked[1::2]) > 12
    assert sum(asked[::2]) < 8  # Arabic and Urdu, which share the mark


def test_the_signs_of_a_cell_are_as_many_in_every_cell():
    tokenizer = load_tokenizer(BASE / "tokenizer")
    cells = {cell for lesson in lessons(300, 0, counting=True) for cell in lesson.cells if cell}
    assert {len(tokenizer.encode(cell)) for cell in cells} == {6}


def test_a_description_may_repeat_but_never_invents():
    things = (
        Thing(cell=0, shape="star", colour="red"),
        Thing(cell=4, shape="moon", colour="blue"),
    )
    book = phrase_book("en")
    sentences = {book.caption(Scene(things=(thing,))) for thing in things}
    seen = set()
    for seed in range(30):
        text = description(Scene(things=things), book, random.Random(seed))
        parts = [f"{part}." for part in text.removesuffix(".").split(". ")]
        assert set(parts) <= sentences
        seen.add(text)
    assert len(seen) > 1


def test_the_tokenizer_reads_every_language_and_the_system_text():
    sentences = list(itertools.islice(tokenizer_sentences(2, 0), 1 + 3 * len(languages.codes())))
    assert sentences[0].startswith("A chat between")
    for language in languages.every():
        assert any(text.endswith(language.question_mark) for text in sentences)
