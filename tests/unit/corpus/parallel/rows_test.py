"""Rows of parallel text: both ways, checked, and written once."""

import json
import random

import pytest

from palo import languages, storage
from palo.corpus.parallel.conversations import continuation_row, translation_row
from palo.corpus.parallel.settings import ParallelSettings
from palo.corpus.parallel.write import parallel_sources, write_parallel_rows
from palo.corpus.parse.origin import origin_of
from palo.corpus.parse.worker import parse_row
from palo.corpus.sources import read_split, split_source
from palo.data.records import Record
from palo.errors import ConfigError, DataError
from palo.scenes.parallel_text import SceneTextConfig, write_scene_text

WORDS = [
    "the",
    "people",
    "of",
    "this",
    "old",
    "town",
    "walk",
    "along",
    "its",
    "river",
    "when",
    "evening",
    "comes",
    "and",
    "talk",
]


def sentence(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 40))) + "."


def write_lines(folder, columns):
    folder.mkdir(exist_ok=True)
    for code, lines in columns.items():
        (folder / f"a.{code}").write_text("".join(f"{x}\n" for x in lines), encoding="utf-8")
    return folder


def rows_of(folder, name="parallel"):
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write(path, tmp_path, **settings):
    said = []
    write_parallel_rows(ParallelSettings(path=path, **settings), tmp_path / "out", said.append)
    return said


def test_each_pair_is_translated_both_ways_in_the_words_of_either_language(tmp_path):
    english = [f"Sentence number {n} is here." for n in range(40)]
    spanish = [f"La frase número {n} está aquí." for n in range(40)]
    write(write_lines(tmp_path / "in", {"en": english, "es": spanish}), tmp_path)
    rows = rows_of(tmp_path / "out")
    assert [row["language"] for row in rows] == ["es", "en"] * 40
    asked = {"es": set(), "en": set()}
    for number, (there, back) in enumerate(zip(rows[::2], rows[1::2], strict=True)):
        for row, source, target in ((there, english, spanish), (back, spanish, english)):
            question, answer = (turn["value"] for turn in row["conversations"])
            wish, _, text = question.partition("\n")
            asked[row["language"]].add(wish)
            assert (text, answer) == (source[number], target[number])
    assert asked["es"] == {"Translate into Spanish:", "Traduce al español:"}
    assert asked["en"] == {"Translate into English:"}
    assert rows[0]["id"] == "a.en+a.es:1/en-es"


def test_every_language_asks_in_its_own_words():
    for code in languages.codes():
        wishes = {
            translation_row(str(n), "x", "y", code)["conversations"][0]["value"] for n in range(9)
        }
        assert len(wishes) == (1 if code == "en" else 2), code


def test_a_language_without_words_of_its_own_is_asked_in_english(eleventh_language):
    code, name = eleventh_language.code, eleventh_language.name
    wishes = {
        translation_row(str(n), "x", "y", code)["conversations"][0]["value"] for n in range(9)
    }
    assert wishes == {f"Translate into {name}:\nx"}


def test_several_languages_are_each_paired_with_the_pivot(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"ur": "یہ ہے", "en": "This", "hi": "यह है"}\n{"ur": "یہ", "hi": "यह"}\n', "utf-8"
    )
    said = write(path, tmp_path, max_bad_share=0.5)
    directions = [row["id"].rpartition("/")[2] for row in rows_of(tmp_path / "out")]
    assert directions == ["en-ur", "ur-en", "en-hi", "hi-en"]
    assert said == [
        "parallel: 2 lines; pairs en-hi 1, en-ur 1",
        "parallel: left out: 1 not in the pivot language",
    ]
    (rejected,) = rows_of(tmp_path / "out", "rejected")
    assert (rejected["line"], rejected["detail"]) == (2, "ur, hi")


def test_text_in_one_language_is_gone_on_with(tmp_path):
    path = tmp_path / "ur.txt"
    path.write_text("یہ ایک لمبا جملہ ہے جو آگے جاتا ہے۔\nہاں\n", encoding="utf-8")
    said = write(path, tmp_path, max_bad_share=0.5)
    (row,) = rows_of(tmp_path / "out")
    question, answer = (turn["value"] for turn in row["conversations"])
    assert row["language"] == "ur"
    assert f"{question.partition(chr(10))[2]} {answer}" == "یہ ایک لمبا جملہ ہے جو آگے جاتا ہے۔"
    assert said[1] == "parallel: left out: 1 too short to go on with"


@pytest.mark.parametrize("text", ["किताबों" * 9, "一二三四五六七八九十" * 3, "a\u200db" * 20])
def test_a_text_is_never_cut_within_what_belongs_together(text):
    question, answer = (
        turn["value"] for turn in continuation_row("1", text, "hi")["conversations"]
    )
    begun = question.partition("\n")[2]
    assert begun + answer == text
    assert answer[0] not in "ािोंं\u200d"
    assert begun[-1] != "\u200d"


BAD = [
    ("", "Uno dos", "empty line"),
    ("Same", "Same", "source and target are the same"),
    ("x" * 2001, "Uno dos", "line too long"),
]


@pytest.mark.parametrize(("source", "target", "reason"), BAD)
def test_bad_pairs_are_left_out_and_too_many_stop(tmp_path, source, target, reason):
    good = [f"Sentence number {n} is here." for n in range(4)]
    other = [f"La frase número {n} está aquí." for n in range(4)]
    folder = write_lines(tmp_path / "in", {"en": [*good, source], "es": [*other, target]})
    said = write(folder, tmp_path)
    assert said[1] == f"parallel: left out: 1 {reason}"
    with pytest.raises(
        DataError, match=rf"20% .* can't be used: mostly {reason} \(1\), such as line 5"
    ):
        write(folder, tmp_path, max_bad_share=0.1)
    assert not (tmp_path / "out" / "parallel.json").exists()


def test_wrong_names_of_languages_are_found_by_the_text(tmp_path):
    hindi = ["यह एक छोटा वाक्य है जो यहाँ लिखा है।"] * 30
    english = ["This is a short sentence that is written here."] * 30
    with pytest.raises(DataError, match="30 of 30 texts named ur are in hi"):
        write(write_lines(tmp_path / "in", {"en": english, "ur": hindi}), tmp_path)
    with pytest.raises(DataError, match="texts named en are in hi"):
        write(write_lines(tmp_path / "two", {"en": hindi, "hi": english}), tmp_path)


def test_files_that_are_not_aligned_are_found_by_lengths(tmp_path):
    rng = random.Random(0)
    english = [sentence(rng) for _ in range(400)]
    other = [f"{'palabra ' * (len(text) // 8 + rng.randint(0, 2))}hoy." for text in english]
    write(write_lines(tmp_path / "in", {"en": english, "es": other}), tmp_path)
    rng.shuffle(other)
    folder = write_lines(tmp_path / "shuffled", {"en": english, "es": other})
    with pytest.raises(
        DataError, match=r"seems not to be aligned: .* have a correlation of -?0\.0"
    ):
        write(folder, tmp_path)
    write(folder, tmp_path, min_length_correlation=-1)


def test_rows_are_written_once_and_again_when_something_changed(tmp_path):
    path = write_lines(tmp_path / "in", {"en": ["One two."], "es": ["Uno dos."]})
    settings, out = ParallelSettings(path=path), tmp_path / "out"
    assert write_parallel_rows(settings, out, print)
    assert not write_parallel_rows(settings, out, print)
    write_lines(path, {"en": ["One two three."], "es": ["Uno dos tres."]})
    assert write_parallel_rows(settings, out, print)
    assert write_parallel_rows(ParallelSettings(path=path, max_characters=900), out, print)


def test_rows_are_records_of_a_corpus(tmp_path):
    path = write_lines(tmp_path / "in", {"en": ["One <b>two</b>."], "es": ["Uno <b>dos</b>."]})
    settings = ParallelSettings(path=path)
    write_parallel_rows(settings, tmp_path / "out", print)
    (source,) = parallel_sources(settings, tmp_path / "out")
    rows = [raw for split in split_source(source.path, source.format) for raw in read_split(split)]
    records = [parse_row(raw, origin_of(source), raw.offset) for raw in rows]
    assert all(isinstance(record, Record) and record.image is None for record in records)
    assert [record.language for record in records] == ["es", "en"]
    assert source.name == "parallel"


def test_settings_out_of_range_are_told(tmp_path):
    wrong = ParallelSettings(
        path=tmp_path, pivot="xx", max_characters=0, max_bad_share=2, min_length_correlation=3
    )
    with pytest.raises(ConfigError, match="4 faults"):
        write_parallel_rows(wrong, tmp_path / "out", print)


def test_sentences_about_scenes_are_parallel_in_all_languages(tmp_path):
    config = SceneTextConfig(num_scenes=20)
    path = write_scene_text(tmp_path, config)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(tuple(line) == languages.codes() for line in lines)
    assert len(lines) > 60
    stamp = path.stat().st_mtime_ns
    assert write_scene_text(tmp_path, config).stat().st_mtime_ns == stamp
    write_scene_text(tmp_path, SceneTextConfig(num_scenes=20, seed=1))
    assert path.stat().st_mtime_ns != stamp
    write(path, tmp_path)
    assert len(rows_of(tmp_path / "out")) == 18 * len(lines)


@pytest.mark.parametrize("named", ["text", "text/a"])
def test_text_and_rows_may_lie_on_s3(bucket, named):
    for code, lines in (("en", "One two.\n"), ("es", "Uno dos.\n")):
        storage.write_text(bucket / "text" / f"a.{code}", lines)
    settings = ParallelSettings(path=bucket / named)
    assert write_parallel_rows(settings, bucket / "out", print)
    assert not write_parallel_rows(settings, bucket / "out", print)
    (source,) = parallel_sources(settings, bucket / "out")
    rows = [raw.value for split in split_source(source.path) for raw in read_split(split)]
    assert [row["language"] for row in rows] == ["es", "en"]
