"""Requests to describe held-out images."""

import json

from palo import languages
from palo.scenes.corpus import SceneCorpusConfig, write_scenes
from palo.scenes.phrase_book import phrase_book
from palo.scenes.requests import DESCRIBE, write_requests


def test_each_image_is_described_beside_its_questions(tmp_path):
    config = SceneCorpusConfig(num_train_scenes=1, num_heldout_scenes=4)
    corpus = write_scenes(tmp_path, config)
    text = write_requests(tmp_path, config).read_text(encoding="utf-8")
    assert text.startswith(corpus.questions.read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in text.splitlines()]
    assert len({row["id"] for row in rows}) == len(rows)
    asked = [row for row in rows if row["kind"] == DESCRIBE]
    assert len(asked) == 4 * len(languages.codes())
    for row in asked:
        assert (tmp_path / row["image"]).is_file()
        # What is asked about the same image is said in its description.
        (facts, *_) = (
            one for one in rows if one["image"] == row["image"] and one["language"] == "en"
        )
        assert facts["kind"] != DESCRIBE
        assert row["question"] == phrase_book(row["language"]).ask_description()
    english = {row["image"]: row["answer"] for row in asked if row["language"] == "en"}
    told = [row for row in rows if row["kind"] == "at" and row["language"] == "en"]
    assert all(row["answer"] in english[row["image"]] for row in told)
