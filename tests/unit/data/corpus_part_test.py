from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from palo.data import corpus_part
from palo.data.corpus_part import CorpusPart, choose_held_out, split_held_out
from palo.data.corpus_reader import open_corpus

LANGUAGES = ("en", "ur", "bn")


def corpus_columns(num_images=200):
    """Each image has a row in every language, and English two."""
    rows = [(f"image{number}", code) for number in range(num_images) for code in (*LANGUAGES, "en")]
    names, codes = zip(*rows, strict=True)
    return pa.array(names).dictionary_encode(), np.array(codes)


def held_out_images(groups, chosen):
    return {name for name, one in zip(groups.to_pylist(), chosen, strict=True) if one}


def test_every_language_has_enough_rows_and_hardly_more():
    groups, languages = corpus_columns()
    chosen = choose_held_out(groups, languages, rows_per_language=8, most_share=0.1)
    counts = {code: int((languages[chosen] == code).sum()) for code in LANGUAGES}
    assert counts == {"en": 16, "ur": 8, "bn": 8}


def test_rows_of_an_image_stay_together_in_all_languages():
    groups, languages = corpus_columns()
    chosen = choose_held_out(groups, languages, rows_per_language=8, most_share=0.1)
    assert not held_out_images(groups, chosen) & held_out_images(groups, ~chosen)


def test_a_language_with_few_rows_keeps_its_share():
    groups = pa.array([f"image{number}" for number in range(100)]).dictionary_encode()
    languages = np.array(["en"] * 60 + ["ur"] * 40)
    chosen = choose_held_out(groups, languages, rows_per_language=30, most_share=0.05)
    assert (languages[chosen] == "en").sum() == 3
    assert (languages[chosen] == "ur").sum() == 2


def test_the_choice_depends_on_the_names_alone():
    groups, languages = corpus_columns()
    first = held_out_images(groups, choose_held_out(groups, languages, 8, 0.1))
    order = np.random.default_rng(0).permutation(len(languages))
    mixed = groups.take(pa.array(order)).dictionary_decode().dictionary_encode()
    assert held_out_images(mixed, choose_held_out(mixed, languages[order], 8, 0.1)) == first


def test_a_corpus_that_grows_keeps_most_of_its_held_out_rows():
    small = corpus_columns(200)
    large = corpus_columns(220)
    before = held_out_images(small[0], choose_held_out(*small, 8, 0.1))
    after = held_out_images(large[0], choose_held_out(*large, 8, 0.1))
    assert len(before & after) >= 6


def test_a_part_reads_the_samples_it_names(training_inputs):
    corpus = open_corpus(training_inputs[1])
    part = CorpusPart(corpus, np.array([3, 7, 11]))
    assert [sample.sample_id for sample in part.read([2, 0])] == ["s11", "s3"]
    assert part.lengths.tolist() == corpus.lengths[[3, 7, 11]].tolist()
    assert len(part) == 3


def test_a_corpus_is_divided_without_loss(training_inputs):
    corpus = open_corpus(training_inputs[1])
    rows, held_out = split_held_out(corpus, rows_per_language=4, most_share=0.3)
    names = [
        [sample.sample_id for sample in part.read(range(len(part)))] for part in (rows, held_out)
    ]
    assert sorted(names[0] + names[1]) == sorted(f"s{number}" for number in range(len(corpus)))
    assert 4 <= len(held_out) <= 6
    images = [
        {sample.image_id for sample in part.read(range(len(part)))} - {None}
        for part in (rows, held_out)
    ]
    assert not images[0] & images[1]


@pytest.mark.parametrize("rows", [0, 1])
def test_no_more_than_asked_for_is_held_out(rows):
    groups, languages = corpus_columns()
    chosen = choose_held_out(groups, languages, rows_per_language=rows, most_share=0.1)
    assert chosen.sum() == rows * 4


def test_both_ways_of_a_translation_are_held_out_together(training_inputs, monkeypatch):
    """Else the loss of the one would be that of a sentence that is trained on."""
    corpus = open_corpus(training_inputs[1])
    ids = [
        f"parallel-opus/a.tsv:{number}/{way}@{number}{place}"
        for number in range(len(corpus) // 2)
        for place, way in enumerate(("en-ur", "ur-en"))
    ]
    table = pa.table(
        {"image_id": pa.array([None] * len(ids), pa.string()), "record_id": pa.array(ids)}
    )
    file = SimpleNamespace(read=lambda columns: table.select(columns))
    monkeypatch.setattr(corpus_part, "open_samples", lambda folder, files: [file])
    groups = corpus_part._groups(corpus).to_pylist()
    assert groups[::2] == groups[1::2]
    assert len(set(groups)) == len(ids) // 2
    assert groups[0] == "parallel-opus/a.tsv:0"
