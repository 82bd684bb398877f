import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from palo import languages
from palo.errors import ConfigError, DataError
from palo.scenes.corpus import SceneCorpus, SceneCorpusConfig, write_scenes
from palo.scenes.draw import draw_scene
from palo.scenes.questions import KINDS
from palo.storage import tree_sizes

CONFIG = SceneCorpusConfig(num_train_scenes=300, num_heldout_scenes=40)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> SceneCorpus:
    return write_scenes(tmp_path_factory.mktemp("scenes"), CONFIG)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        if path.is_file() and path.name != "scenes.json":
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def test_counts_match_the_files(corpus):
    captions, records = rows(corpus.captions), rows(corpus.instructions)
    questions = rows(corpus.questions)
    assert len(captions) == corpus.num_captions == 300 * CONFIG.num_captions_per_scene
    assert len(records) == corpus.num_records == 300 * CONFIG.num_records_per_scene
    assert len(questions) == corpus.num_questions == 40 * 2 * len(languages.codes())
    for lines in (captions, records, questions):
        assert len({row["id"] for row in lines}) == len(lines)
        per_language = Counter(row["language"] for row in lines)
        assert set(per_language) == set(languages.codes())
        assert max(per_language.values()) == min(per_language.values())
    for row in captions + records + questions:
        assert (corpus.folder / row["image"]).is_file()


def test_records_look_like_llava(corpus):
    for row in rows(corpus.instructions):
        turns = row["conversations"]
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        assert turns[0]["value"].startswith("<image>\n")
        assert sum(turn["value"].count("<image>") for turn in turns) == 1
        assert 1 <= len(turns) // 2 <= CONFIG.num_rounds
    for row in rows(corpus.captions):
        assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]


def test_equal_configurations_write_equal_bytes(tmp_path):
    small = SceneCorpusConfig(num_train_scenes=5, num_heldout_scenes=3)
    hashes = [tree_hash(write_scenes(tmp_path / name, small).folder) for name in ("a", "b")]
    other = SceneCorpusConfig(num_train_scenes=5, num_heldout_scenes=3, seed=1)
    assert hashes[0] == hashes[1] != tree_hash(write_scenes(tmp_path / "c", other).folder)


def test_no_row_has_changed_since_signs_and_text_rows_came(tmp_path):
    small = SceneCorpusConfig(num_train_scenes=5, num_heldout_scenes=3)
    digest = hashlib.sha256()
    for path in sorted(write_scenes(tmp_path, small).folder.rglob("*.jsonl")):
        digest.update(path.read_bytes())
    assert digest.hexdigest().startswith("78b7efb884f70f8a")


def test_no_held_out_scene_is_drawn_for_training(monkeypatch, tmp_path):
    drawn = []

    def spy(scene, rng):
        drawn.append(scene.things)
        return draw_scene(scene, rng)

    monkeypatch.setattr("palo.scenes.corpus.draw_scene", spy)
    write_scenes(tmp_path, CONFIG)
    trained, held_out = set(drawn[:300]), set(drawn[300:])
    assert len(held_out) >= 30
    assert not trained & held_out


def test_a_guess_without_the_image_is_mostly_wrong(corpus):
    seen: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows(corpus.instructions):
        texts = [turn["value"].removeprefix("<image>\n") for turn in row["conversations"]]
        for question, answer in zip(texts[::2], texts[1::2], strict=True):
            seen[row["language"], question][answer] += 1
    questions = rows(corpus.questions)
    right = sum(
        bool(guesses := seen[row["language"], row["question"]])
        and guesses.most_common(1)[0][0] == row["answer"]
        for row in questions
    )
    assert right / len(questions) < 0.25


def test_held_out_questions_are_the_same_in_every_language(corpus):
    kinds = defaultdict(list)
    for row in rows(corpus.questions):
        kinds[row["language"]].append((row["image"], row["kind"]))
    first, *others = kinds.values()
    assert all(other == first for other in others)
    assert {kind for _, kind in first} == set(KINDS)


def test_all_faults_are_told_at_once(tmp_path):
    config = SceneCorpusConfig(num_train_scenes=0, num_rounds=0, languages=("en", "xx"))
    with pytest.raises(ConfigError) as caught:
        write_scenes(tmp_path, config)
    for part in ("num_train_scenes", "num_rounds", "num_records_per_scene", "'xx'"):
        assert part in str(caught.value)


def test_a_language_without_phrases_is_refused(eleventh_language, tmp_path):
    config = SceneCorpusConfig(
        num_captions_per_scene=1, num_records_per_scene=1, languages=(eleventh_language.code,)
    )
    with pytest.raises(DataError, match="no phrase book"):
        write_scenes(tmp_path, config)
    assert not list(tmp_path.iterdir())


def test_scenes_in_a_bucket_are_those_on_a_disk(bucket, tmp_path):
    config = SceneCorpusConfig(num_train_scenes=3, num_heldout_scenes=1)
    here, there = write_scenes(tmp_path / "scenes", config), write_scenes(bucket / "scenes", config)
    assert there.num_records == here.num_records
    sizes = tree_sizes(bucket / "scenes")
    assert sizes.keys() == tree_sizes(tmp_path / "scenes").keys()
    for name in sizes:
        if name.name != "scenes.json":  # it has the paths
            assert (bucket / "scenes" / name).read_bytes() == (
                tmp_path / "scenes" / name
            ).read_bytes()
    assert there.questions == bucket / "scenes" / "heldout" / "questions.jsonl"
