"""Conversations about scenes in words alone."""

import json
from collections import Counter

import pytest

from palo import languages
from palo.errors import ConfigError
from palo.metrics.fidelity import answer_language
from palo.scenes.phrase_book import phrase_book
from palo.scenes.text_rows import TextRowsConfig, write_text_rows

CONFIG = TextRowsConfig(per_language=12)


def test_each_language_has_as_many_and_no_row_has_an_image(tmp_path):
    path = write_text_rows(tmp_path, CONFIG)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert Counter(row["language"] for row in rows) == dict.fromkeys(languages.codes(), 12)
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert "image" not in row
        turns = [turn["value"] for turn in row["conversations"]]
        assert "<image>" not in "".join(turns)
        assert 1 <= len(turns) // 2 <= CONFIG.num_rounds
        shown, _, request = turns[0].partition("\n")
        assert request == phrase_book(row["language"]).ask_description()
        assert answer_language(shown, "en").fidelity == "right"
        # Names of colours and shapes alone would not tell which language it is.
        assert answer_language(" ".join(turns[1::2]), row["language"]).fidelity == "right"


def test_equal_settings_write_equal_bytes_once(tmp_path):
    path = write_text_rows(tmp_path / "a", CONFIG)
    stamp = path.stat().st_mtime_ns
    assert write_text_rows(tmp_path / "a", CONFIG).stat().st_mtime_ns == stamp
    assert write_text_rows(tmp_path / "b", CONFIG).read_bytes() == path.read_bytes()
    first = path.read_bytes()
    write_text_rows(tmp_path / "a", TextRowsConfig(per_language=12, seed=1))
    assert path.read_bytes() != first


def test_faults_are_told(tmp_path):
    config = TextRowsConfig(per_language=0, languages=("xx",))
    with pytest.raises(ConfigError, match="per_language must be at least 1") as caught:
        write_text_rows(tmp_path, config)
    assert "'xx'" in str(caught.value)
