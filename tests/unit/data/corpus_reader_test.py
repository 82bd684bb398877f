import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from palo.data.corpus_reader import open_corpus
from palo.data.manifest import CORPUS_VERSION
from palo.errors import DataError, MismatchError, StorageError


def test_columns_and_samples_come_in_order(corpus_folder):
    corpus = open_corpus(corpus_folder)
    assert len(corpus) == 11
    assert corpus.lengths.tolist() == [number + 6 for number in range(11)]
    assert corpus.lengths.dtype == np.int32
    assert corpus.num_targets.tolist() == [3] * 11
    assert corpus.has_image.tolist() == [number % 2 == 0 for number in range(11)]
    assert corpus.languages.tolist()[:3] == ["ur", "en", "en"]
    samples = corpus.read([10, 0, 5])
    assert [sample.sample_id for sample in samples] == ["s10", "s0", "s5"]
    assert samples[2].input_ids.tolist() == [1, 10, 11, 12, 13, 14, 15, 16, 105, 205, 2]
    assert samples[2].label_spans.tolist() == [[8, 11]]
    assert samples[2].image_id is None
    assert corpus.images is not None
    assert samples[1].image_id in corpus.images


def test_a_corpus_without_an_end_is_refused(corpus_folder):
    (corpus_folder / "manifest.json").unlink()
    with pytest.raises(DataError, match="no finished corpus"):
        open_corpus(corpus_folder)


def test_a_corpus_of_another_version_is_refused_with_what_to_do(corpus_folder):
    path = corpus_folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"settings": {"version": CORPUS_VERSION}}))
    assert len(open_corpus(corpus_folder)) == 11
    path.write_text(json.dumps(manifest | {"settings": {"version": CORPUS_VERSION - 1}}))
    with pytest.raises(MismatchError, match=r"another version.*Build it again with jobs/build_"):
        open_corpus(corpus_folder)


def test_a_lost_file_is_noticed(corpus_folder):
    (corpus_folder / "samples" / "001.parquet").unlink()
    with pytest.raises(StorageError, match=r"can't read .*001\.parquet"):
        open_corpus(corpus_folder)


def test_a_file_of_another_build_is_noticed(corpus_folder):
    shutil.copy(
        corpus_folder / "samples" / "000.parquet", corpus_folder / "samples" / "001.parquet"
    )
    with pytest.raises(DataError, match="8 instead of 11"):
        open_corpus(corpus_folder)


def test_other_columns_are_refused(corpus_folder):
    path = corpus_folder / "samples" / "000.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["truncated"]), path)
    with pytest.raises(MismatchError, match="other columns"):
        open_corpus(corpus_folder)


def test_an_index_out_of_range_is_an_error(corpus_folder):
    with pytest.raises(IndexError, match="0 to 10, not 11"):
        open_corpus(corpus_folder).read([11])


@pytest.mark.parametrize("name", ["tokenizer", "tower", "template"])
def test_a_corpus_for_another_run_is_refused(corpus_folder, name):
    corpus = open_corpus(corpus_folder)
    own = {
        "tokenizer_fingerprint": "bbbb000011112222",
        "tower_fingerprint": "aaaa000011112222",
        "template": "vicuna_v1",
    }
    corpus.check(**own)
    key = name if name == "template" else f"{name}_fingerprint"
    with pytest.raises(MismatchError, match=f"another {name}.*this run has other"):
        corpus.check(**(own | {key: "other"}))


def on_s3(folder, bucket):
    copy = bucket / "corpus"
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        (copy / str(path.relative_to(folder))).write_bytes(path.read_bytes())
    return copy


def test_the_row_groups_of_a_step_are_fetched_from_s3_at_once(corpus_folder, bucket, monkeypatch):
    """They were read one after the other."""
    corpus = open_corpus(on_s3(corpus_folder, bucket))
    corpus.fetch([10, 0, 5, 1])
    monkeypatch.setattr(corpus, "_files", None)  # whatever reads now has it in memory
    local = open_corpus(corpus_folder)
    for one, two in zip(corpus.read([10, 0]), local.read([10, 0]), strict=True):
        assert one.sample_id == two.sample_id
        assert np.array_equal(one.input_ids, two.input_ids)
    with pytest.raises(IndexError, match="samples 0 to 10"):
        corpus.fetch([11])


def test_samples_are_read_from_a_copy_and_images_from_their_store(corpus_folder, tmp_path):
    shutil.copytree(corpus_folder / "samples", tmp_path / "near" / "samples")
    shutil.rmtree(corpus_folder / "samples")
    corpus = open_corpus(corpus_folder, tmp_path / "near")
    sample = corpus.read([0])[0]
    assert sample.sample_id == "s0"
    assert corpus.images is not None
    corpus.images.read(sample.image_id)
