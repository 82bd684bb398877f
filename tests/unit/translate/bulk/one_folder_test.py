"""Several runs in one folder: other languages join, other sources are refused."""

import json

import pytest
from tests.fixtures.translation import WORDS, Scripted

from palo.corpus.config import read_source_list
from palo.errors import MismatchError


def test_another_source_takes_no_folder_over(translate, rows, tmp_path):
    """Regression: two files of one name share a folder by default, and the second one's records
    took the place of the first one's."""
    translate(Scripted())
    records = tmp_path / "job" / "records" / "es.jsonl"
    before = records.read_bytes()
    row = {
        "conversations": [{"from": "human", "value": WORDS[4]}, {"from": "gpt", "value": WORDS[5]}]
    }
    other = tmp_path / "other" / "rows.jsonl"
    other.parent.mkdir()
    other.write_text(json.dumps(row))
    for codes in (("es",), ("fr",)):
        again = Scripted()
        with pytest.raises(MismatchError, match=r"another source: .*/job\. .* with --output"):
            translate(again, path=other, codes=codes)
        assert not again.asked
        assert records.read_bytes() == before
    rows.write_text(json.dumps(row) + "\n" + rows.read_text())  # more rows are the same source
    assert translate(Scripted()).languages["es"].records == 4


def test_languages_of_earlier_runs_stay_in_the_list(translate, tmp_path):
    """Regression: a run into another language took those before it out of sources.toml."""
    for codes in (("es",), ("fr",)):
        translate(Scripted(), codes=codes)
    listed = read_source_list(tmp_path / "job" / "sources.toml")
    assert [source.language for source in listed] == ["es"]  # Spanish is no French
    assert all(source.path.stat().st_size for source in listed)
