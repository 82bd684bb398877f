import json

import pytest
from tests.fixtures.translation import SPANISH, WORDS, Scripted

from palo.errors import ConfigError, ImageError
from palo.evaluate.benches.bench import bench_source, read_bench
from palo.translate.bulk.bench_questions import BenchQuestions, write_bench
from palo.translate.bulk.job import TranslationWork, translate_all
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.item import edition_of
from palo.translate.review.store import ReviewStore


@pytest.fixture
def questions(tmp_path):
    """A bench of two questions about one image with two captions."""
    folder = tmp_path / "bench"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "1.jpg").write_bytes(b"an image")
    rows = [
        {
            "id": str(number),
            "language": "en",
            "image": "1.jpg",
            "question": WORDS[2 * number],
            "answer": WORDS[2 * number + 1],
            "category": "conv",
            "context": [WORDS[4], WORDS[5]],
        }
        for number in range(2)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "questions.jsonl").write_text(lines)
    return BenchQuestions(bench="own", folder=folder)


@pytest.fixture
def translate(questions, tmp_path):
    def run(backend=None):
        work = TranslationWork(
            source=questions,
            languages=("es",),
            backend=backend or Scripted(),
            review_all=True,
        )
        report = translate_all(work, tmp_path / "job")
        return report, write_bench(questions, tmp_path / "job", ("es",))

    return run


def test_no_row_is_in_the_bench_before_people_have_approved_it(translate, tmp_path):
    report, counts = translate()
    assert counts == {"es": 0}
    assert (report.languages["es"].review, report.languages["es"].records) == (3, 0)
    store = ReviewStore(tmp_path / "job" / "review")
    for item in store.items():
        if item.key.startswith("own/1"):
            continue
        verdict = ReviewDecision(
            key=item.key,
            edition=edition_of(item.translated),
            reviewer="ana",
            outcome="accept",
            texts=item.translated.texts,
        )
        store.save(verdict, seen_version=0)
    backend = Scripted()
    report, counts = translate(backend)
    assert not backend.asked
    assert counts == {"es": 1}
    bench = read_bench(bench_source("own"), tmp_path / "job" / "bench")
    (item,) = bench.items
    assert (item.language, item.question_id, item.category) == ("es", "0", "conv")
    assert (item.question, item.references) == (SPANISH[WORDS[0]], (SPANISH[WORDS[1]],))
    assert item.context == (SPANISH[WORDS[4]], SPANISH[WORDS[5]])
    assert item.image.read_bytes() == b"an image"
    assert not (tmp_path / "job" / "sources.toml").exists()


def test_what_cannot_be_translated_is_told(questions, tmp_path):
    (questions.folder / "images" / "1.jpg").unlink()
    with pytest.raises(ImageError, match="1 of 1 images"):
        list(questions.records())
    with pytest.raises(ConfigError, match="no open questions"):
        list(BenchQuestions(bench="xgqa", folder=tmp_path).records())
