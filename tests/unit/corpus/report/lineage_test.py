"""The corpus in a model's lineage: its counts, its sources' files, and what is not there now."""

import dataclasses
import shutil

import pytest

from palo import storage
from palo.corpus.report.lineage import corpus_node
from palo.corpus.sources.rows_hash import source_hash
from palo.data.corpus_record import corpus_record
from palo.data.manifest import read_manifest, write_manifest

ROWS = b'{"id": 1}\n{"id": 2}\n'


@pytest.fixture
def traced(write_inspected, tmp_path):
    """Folders of a model and of the corpus that it was trained on, with the corpus's record."""
    corpus = write_inspected()
    rows = tmp_path / "made.jsonl"
    rows.write_bytes(ROWS)
    manifest = read_manifest(corpus / "manifest.json")
    source = {"files": {str(rows): [len(ROWS), 1]}, "licence": "CC0", "format": "auto"}
    manifest = dataclasses.replace(
        manifest,
        settings={**manifest.settings, "sources": {"made": source}},
        inputs={"made": source_hash([rows])},
    )
    write_manifest(corpus / "manifest.json", manifest)
    model = tmp_path / "run" / "finetune"
    model.mkdir(parents=True)
    record = corpus_record(corpus, manifest, model)
    return model, corpus, record | {"sources": dict(manifest.inputs)}


def test_records_are_counted_by_language_and_licence(traced) -> None:
    model, _, record = traced
    assert record["relative"] == "../../corpus"
    assert {row["licence"] for row in record["records"]} == {"CC0"}
    assert corpus_node(model, record, True).state == "checked"
    node = corpus_node(model, record, False)
    assert node.state == "named"
    assert node.facts["records by language"] == "en 1, ur 1, ja 1"
    assert node.facts["records by licence"] == "CC0 3"
    assert node.facts["limits.overflow"] == "split"
    assert node.facts["rows, near duplicate"] == "4 in, 3 out"
    assert "jobs/inspect_corpus.py" in node.facts["its rows"]


def test_rows_of_sources_are_hashed_again_when_asked(traced) -> None:
    model, corpus, record = traced
    (source,) = corpus_node(model, record, False).children
    assert (source.name, source.state, len(source.children)) == ("made", "named", 1)
    (source,) = corpus_node(model, record, True).children
    assert source.state == "checked"
    path = corpus.parent / "made.jsonl"
    path.write_bytes(ROWS.replace(b"2", b"3"))
    (source,) = corpus_node(model, record, True).children
    assert source.state == "changed"
    assert "hash now" in source.facts
    path.write_bytes(ROWS + b"\n")
    (source,) = corpus_node(model, record, False).children
    assert source.children[0].state == "changed"
    path.unlink()
    (source,) = corpus_node(model, record, True).children
    assert (source.state, source.children[0].state) == ("named", "missing")


def test_a_corpus_that_is_gone_is_named_with_its_counts(traced) -> None:
    model, corpus, record = traced
    shutil.rmtree(corpus)
    node = corpus_node(model, record, True)
    assert node.state == "missing"
    assert node.id == "cccc000011112222"
    assert node.facts["records by licence"] == "CC0 3"
    assert [child.name for child in node.children] == ["made"]


def test_a_corpus_that_was_built_anew_is_another_one(traced) -> None:
    model, corpus, record = traced
    node = corpus_node(model, record | {"fingerprint": "0" * 16}, False)
    assert node.state == "changed"
    assert node.facts["fingerprint now"] == "cccc000011112222"
    samples = next((corpus / "samples" / "made").iterdir())
    samples.write_bytes(samples.read_bytes() + b"x")
    assert corpus_node(model, record, False).state == "named"
    node = corpus_node(model, record, True)
    assert node.state == "changed"
    assert samples.name in node.facts["other sizes"]


def test_a_corpus_of_a_run_that_was_moved_is_found_beside_the_stage(traced) -> None:
    model, corpus, record = traced
    shutil.move(corpus, model.parent / "corpus" / "finetune")
    node = corpus_node(
        model, {**record, "folder": "/gone/finetune", "relative": "../../gone/finetune"}, True
    )
    assert node.state == "checked"


def test_a_record_without_a_folder_is_a_missing_corpus(tmp_path) -> None:
    assert corpus_node(tmp_path, {"fingerprint": "ab"}, True).state == "missing"


def test_nothing_is_known_of_licences_in_an_old_record(traced) -> None:
    model, corpus, _ = traced
    storage.remove(corpus / "manifest.json")
    old = {"folder": str(corpus), "fingerprint": "cccc000011112222"}
    node = corpus_node(model, old, False)
    assert node.facts["records by language and licence"] == "not recorded"
