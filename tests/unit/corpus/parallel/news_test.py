"""On sentences of news in ten languages: what is aligned passes, what is not is refused."""

import json

import pytest

from palo import languages
from palo.corpus.parallel.settings import ParallelSettings
from palo.corpus.parallel.write import write_parallel_rows
from palo.errors import DataError

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def news(data_folder):
    path = data_folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(tmp_path, rows, least):
    path = tmp_path / "news.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    settings = ParallelSettings(path=path, min_length_correlation=least)
    write_parallel_rows(settings, tmp_path / "out", lambda line: None)
    return json.loads((tmp_path / "out" / "parallel.json").read_text(encoding="utf-8"))


def test_aligned_sentences_pass_in_every_language(news, tmp_path):
    counts = written(tmp_path, news, 0.85)["counts"]["parallel"]  # measured: 0.90 to 0.96
    assert len(counts["pairs"]) == len(languages.codes()) - 1
    assert min(counts["pairs"].values()) >= 999
    assert set(counts["faults"]) <= {"source and target are the same"}


@pytest.mark.parametrize("code", languages.codes()[1:])
def test_sentences_that_are_shifted_by_one_line_are_refused(news, tmp_path, code):
    rows = [
        {"en": row["en"], code: other[code]}
        for row, other in zip(news, [*news[1:], news[0]], strict=True)
    ]
    with pytest.raises(DataError, match="seems not to be aligned"):
        written(tmp_path, rows, ParallelSettings(path=tmp_path).min_length_correlation)
