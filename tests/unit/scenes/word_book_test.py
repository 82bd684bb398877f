import random
import tomllib
from pathlib import Path

import pytest

import palo.scenes
from palo.errors import ConfigError, DataError
from palo.scenes.corpus import SceneCorpusConfig, write_scenes
from palo.scenes.phrase_book import PhraseBook, phrase_book, silent_codes, spoken_codes
from palo.scenes.questions import KINDS, SceneFacts, all_facts
from palo.scenes.scene import sample_scene_of
from palo.scenes.word_book import read_scene_words, wordings

ENGLISH = (Path(palo.scenes.__file__).parent / "words_en.toml").read_text(encoding="utf-8")
# Swahili of a learner: what counts is that words agree in class and number.
SWAHILI = ENGLISH.replace(
    'circle = { one = "circle", other = "circles", a = "a circle" }',
    'circle = { class = "5", one = "duara", other = "maduara" }',
).replace(
    'red = "red"',
    'red = { any = "nyekundu", "5" = "jekundu", "5.other" = "mekundu" }',
).replace(
    '2 = "two"', '2 = { any = "mbili", "5.other" = "mawili" }'
)  # fmt: skip


def test_english_words_say_what_the_english_phrase_book_says():
    words = read_scene_words(tomllib.loads(ENGLISH), "words_en.toml")
    book = PhraseBook(
        language="en",
        slots=words.slots,
        questions={kind: wordings(words, kind) for kind in KINDS},
        answers=words.answers,
        request=words.request,
    )
    own, seen = phrase_book("en"), set()
    for seed in range(60):
        scene = sample_scene_of(random.Random(seed), held_out=False)
        assert book.caption(scene) == own.caption(scene)
        for fact in all_facts(scene):
            seen.add(fact.kind)
            assert [book.ask(fact, n) for n in (0, 1)] == [own.ask(fact, n) for n in (0, 1)]
            assert book.answer(fact) == own.answer(fact)
    assert seen == set(KINDS)
    assert book.ask_description() == own.ask_description()


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        ({"kind": "colour", "shape": "circle", "colour": "red"}, "The duara is jekundu."),
        ({"kind": "colour", "shape": "star", "colour": "red"}, "The star is nyekundu."),
        ({"kind": "count_shape", "shape": "circle", "count": 2}, "There are mawili maduara."),
        ({"kind": "count_shape", "shape": "star", "count": 2}, "There are mbili stars."),
        ({"kind": "count_shape", "shape": "circle", "count": 1}, "There is one duara."),
    ],
)
def test_words_agree_with_their_noun_in_class_and_number(add_languages, facts, answer):
    add_languages("sw", scenes="").folder.joinpath("scenes.toml").write_text(SWAHILI)
    assert phrase_book("sw").answer(SceneFacts(**facts)) == answer


def test_scenes_leave_a_language_out_until_all_of_its_words_are_there(add_languages, tmp_path):
    language = add_languages("sw")
    assert "sw" not in spoken_codes()
    assert silent_codes() == ("sw",)
    with pytest.raises(DataError, match="no phrase book") as caught:
        phrase_book("sw")
    assert "scenes.toml" in caught.value.fix
    few = SceneCorpusConfig(
        num_train_scenes=2, num_heldout_scenes=1, num_captions_per_scene=10, num_records_per_scene=1
    )
    assert write_scenes(tmp_path / "ten", few).num_captions == 20
    (language.folder / "scenes.toml").write_text(SWAHILI)
    add_languages("sw")
    assert spoken_codes()[-1] == "sw"
    assert write_scenes(tmp_path / "eleven", few).num_questions == 22


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("the {noun} is {colour}", "the {thing} is {colour}", "unknown slot: the {thing}"),
        ("what is {place}", "what is {place", "a template with an unknown slot"),
        ('star = { one = "star"', 'star = { two = "star"', "of another form than English: 'one'"),
        ('[sides]\nleft = "to the left of"', "[sides]\nleft = 3", "no text: in sides"),
        ("request =", 'colour = "x"\nrequest =', "no field of this name: colour"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line_that_names_it(old, new, fact):
    assert old in ENGLISH
    with pytest.raises(ConfigError, match=r"sw/scenes\.toml") as caught:
        read_scene_words(tomllib.loads(ENGLISH.replace(old, new)), "sw/scenes.toml")
    assert fact in str(caught.value)
