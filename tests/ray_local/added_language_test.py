"""An eleventh language from its code to an answered question, by the commands that people type.

Nobody has written a word in its files: all that is known of Persian is what CLDR knows. A server
that looks its translations up in a book of Persian for scenes stands for a large model.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.fixtures.persian_scenes import WORDS

from palo import languages, storage
from palo.data.manifest import read_manifest
from palo.scenes.corpus import SceneCorpusConfig, write_scenes
from palo.scenes.phrase_book import PhraseBook, phrase_book
from palo.scenes.questions import KINDS, all_facts
from palo.scenes.scene import sample_scene_of
from palo.scenes.word_book import read_scene_words, wordings

pytestmark = [pytest.mark.ray, pytest.mark.drill, pytest.mark.timeout(1800)]

CODE = "fa"
NUM_TRAINED, NUM_HELD_OUT = 60, 4
SMALL = [
    "--scenes.num-train-scenes", "40", "--scenes.num-records-per-scene", "2",
    "--scenes.num-captions-per-scene", "10", "--scenes.num-heldout-scenes", "1",
    "--pretrain.max-steps", "2", "--finetune.max-steps", "4",
]  # fmt: skip


@pytest.fixture
def job(tmp_path):
    """Runs a job in an empty folder, as a shell does; returns what it said."""
    environment = {name: value for name, value in os.environ.items() if name != "PALO_LANGUAGES"}

    def run(name: str, *arguments: object, said: str = "") -> str:
        command = [sys.executable, str(ROOT / "jobs" / name), *map(str, arguments)]
        ended = subprocess.run(
            command, input=said, capture_output=True, text=True, cwd=tmp_path, env=environment,
            check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return run


@pytest.fixture
def english(tmp_path) -> Path:
    """Scenes with English conversations and held-out questions."""
    config = SceneCorpusConfig(
        num_train_scenes=NUM_TRAINED, num_captions_per_scene=1, num_records_per_scene=1,
        num_heldout_scenes=NUM_HELD_OUT, languages=("en",),
    )  # fmt: skip
    return write_scenes(tmp_path / "english", config).folder


@pytest.fixture(scope="module")
def dictionary() -> dict[str, str]:
    """The Persian of every English sentence about those scenes."""
    import tomllib

    words = read_scene_words(tomllib.loads(WORDS), "persian_scenes.py")
    assert words is not None
    persian = PhraseBook(
        language=CODE, slots=words.slots, answers=words.answers, request=words.request,
        questions={kind: wordings(words, kind) for kind in KINDS},
    )  # fmt: skip
    ours, found = phrase_book("en"), {}
    for part, count in (("train", NUM_TRAINED), ("heldout", NUM_HELD_OUT)):
        for index in range(count):
            rng = random.Random(f"{part}:0:{index}")
            for fact in all_facts(sample_scene_of(rng, held_out=part == "heldout")):
                # The registry of this process, which ends sentences, has no Persian.
                for wording, texts in enumerate(persian.questions[fact.kind]):
                    text = texts.format_map(persian.slots(fact))
                    found[ours.ask(fact, wording)] = f"{text}؟"
                found[ours.answer(fact)] = (
                    f"{persian.answers[fact.kind].format_map(persian.slots(fact))}."
                )
    return found


@pytest.fixture
def translator(completions, dictionary):
    """The address of a server that translates whole conversations."""

    def answer(body, number):
        asked, _ = json.JSONDecoder().raw_decode(body["messages"][-1]["content"])
        turns = [dictionary[turn["text"]] for turn in asked["turns"]]
        return json.dumps({"turns": turns}, ensure_ascii=False)

    completions.answer = answer
    return completions.url


def test_persian_from_its_code_to_an_answer(job, english, translator, dictionary, tmp_path):
    made = job("add_language.py", CODE)
    assert "Persian (fa): script Arab, right to left" in made
    assert (tmp_path / "languages" / CODE / "gaps.html").is_file()

    said = job(
        "translate.py", english / "instructions.jsonl", "--to", CODE, "--images", english,
        "--output", tmp_path / "translated", "--endpoint.url", translator,
        "--endpoint.model", "dictionary",
    )  # fmt: skip
    assert "left to native speakers are" in said
    rows = list(storage.read_json_lines(tmp_path / "translated" / "records" / f"{CODE}.jsonl"))
    assert len(rows) >= 0.9 * NUM_TRAINED, said

    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        "".join(
            storage.json_line(
                row
                | {
                    "language": CODE,
                    "question": dictionary[row["question"]],
                    "answer": dictionary[row["answer"]],
                }
            )
            for _, row in storage.read_json_lines(english / "heldout" / "questions.jsonl")
        ),
        encoding="utf-8",
    )
    run = tmp_path / "run"
    said = job(
        "finetune.py", "nano", "--output", run,
        "--data", tmp_path / "translated" / "records" / f"{CODE}.jsonl", "--images", english,
        "--data.questions", questions, "--data.questions-images", english, *SMALL,
    )  # fmt: skip
    assert "Traceback" not in said
    assert f"scenes    speak no {CODE}: words are missing" in said
    (counted,) = read_manifest(run / "corpus" / "finetune" / "manifest.json").languages
    assert (counted.language, counted.num_records) == (CODE, len(rows))
    report = storage.read_json(run / "report.json")
    assert report["num_questions_by_language"] == {CODE: 2 * NUM_HELD_OUT}
    assert any(line.startswith(f"{CODE}  ") for line in said.splitlines())

    image = english / "heldout" / "images" / "0000000.png"
    (asked,) = {next(iter(storage.read_json_lines(questions)))[1]["question"]}
    answered = job("chat.py", run, "--image", image, said=f"{asked}\n")
    assert answered.strip()
    assert languages.codes() == languages.BUILT_IN
