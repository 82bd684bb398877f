"""Building corpora of bad input: rows are accounted for, or one line says what to do."""

import dataclasses
import itertools
import json
import shutil

import pyarrow.parquet as pq
import pytest
from tests.fixtures.corpora import good_rows, row

from palo.corpus.build import build_corpus
from palo.corpus.config import AS_IT_IS, CleaningSettings
from palo.data.corpus_reader import open_corpus
from palo.errors import DataError, MismatchError, StorageError
from palo.reasons import Reason

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def bad_rows(images):
    (images / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (images / "cut.png").write_bytes((images / "1.png").read_bytes()[:60])
    return [
        (row(0, image="no"), None),
        (row(100, image=True) | {"image": "gone.png"}, Reason.IMAGE_MISSING),
        (row(101) | {"image": "bad.png"}, Reason.IMAGE_UNKNOWN),
        (row(102) | {"image": "cut.png"}, Reason.IMAGE_DAMAGED),
        (row(103, language="xx"), Reason.UNKNOWN_LANGUAGE),
        (row(104, conversations=[]), Reason.NO_TURNS),
        ({"id": 105}, Reason.UNKNOWN_LANGUAGE),
        (row(106) | {"image": "../secret.png"}, Reason.IMAGE_OUTSIDE),
        (row(107) | {"image": "."}, Reason.IMAGE_UNREADABLE),
    ]


def test_bad_rows_are_counted_and_quarantined(make_config, images):
    cases = bad_rows(images)[1:]
    lines = [json.dumps(value).encode() for value in good_rows()]
    lines += [json.dumps(value).encode() for value, _ in cases]
    lines += [b'{"id": "caf\xe9"}', b'{"id": ']
    expected = [reason for _, reason in cases] + [Reason.NOT_UTF8, Reason.NOT_JSON]
    config = make_config(b"\n".join(lines), max_bad_share=0.3)
    manifest = build_corpus(config).manifest
    dropped = {}
    for stage in manifest.stages:
        for reason, counts in stage.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + sum(counts.values())
    assert dropped == {reason: expected.count(reason) for reason in expected}
    assert manifest.stages[0].rows_in == 30 + len(expected)
    assert manifest.stages[-1].rows_out == 30
    kept = itertools.chain.from_iterable(
        pq.read_table(path).to_pylist()
        for path in sorted((config.output / "quarantine").rglob("*.parquet"))
    )
    kept = {entry["offset"]: entry for entry in kept}
    data = b"\n".join(lines)
    for line, reason in zip(lines[30:], expected, strict=True):
        entry = kept[data.rindex(line)]
        assert entry["reason"] == reason
        assert entry["source"] == "made"
        assert entry["file"] == str(config.sources[0].path)


def dirty_rows():
    """Ten distinct rows in two languages; a third of them is said three times in all."""
    answers = {
        "en": "A red circle is beside two blue squares.",
        "ur": "ایک سرخ دائرہ دو نیلے مربعوں کے پاس ہے۔",
    }
    rows = []
    for number in range(10):
        code = ("en", "ur")[number % 2]
        value = row(number, image=number % 3 == 0, language=code)
        value["conversations"][1]["value"] = f"{answers[code]} &quot;{number}&quot;"
        rows.append(value)
    return [*rows, *rows[::3], *rows[::3]]


def test_what_is_cleaned_and_left_out_is_accounted_for(make_config, images):
    rows = dirty_rows()
    same = row(7, image=True) | {"conversations": rows[0]["conversations"]}
    (images / "again.png").write_bytes((images / "0.png").read_bytes())
    rows.append(same | {"image": "again.png"})
    foreign = row(50, language="ur")
    foreign["conversations"][1]["value"] = "nobody has translated this answer"
    config = make_config([*rows, foreign], max_bad_share=0.06, cleaning=CleaningSettings())
    manifest = build_corpus(config).manifest
    stages = {stage.name: stage for stage in manifest.stages}
    assert stages["clean"].dropped == {Reason.NOT_IN_LANGUAGE: {"ur": 1}}
    assert stages["duplicate"].dropped == {Reason.DUPLICATE: {"en": 5, "ur": 4}}
    assert manifest.num_samples == stages["encode"].rows_out == 10
    assert {count.language: count.num_rewritten_turns for count in manifest.languages} == {
        "en": 10,
        "ur": 9,
    }
    samples = open_corpus(config.output).read(range(10))
    assert [s.record_id.split("@")[0] for s in samples] == [f"made/{n}" for n in range(10)]
    said = []
    as_it_is = build_corpus(dataclasses.replace(config, cleaning=AS_IT_IS), said.append).manifest
    assert as_it_is.num_samples == len(rows) + 1
    assert "cleaning.duplicates, cleaning.normal_form, cleaning.other_language" in said[0]
    assert [stage.num_dropped for stage in as_it_is.stages] == [0] * 7


def test_which_duplicate_stays_depends_on_the_order_of_rows_alone(make_config):
    lines = make_config(dirty_rows())
    array = make_config(
        dirty_rows(), name="array", lines=False, output=lines.output.with_name("two")
    )
    fingerprint = build_corpus(lines).manifest.fingerprint
    build_corpus(array)
    for config in (lines, array):
        names = [sample.record_id for sample in open_corpus(config.output).read(range(10))]
        assert [name.split("@")[0].split("/")[1] for name in names] == [str(n) for n in range(10)]
    (lines.output / "manifest.json").unlink()
    assert build_corpus(lines).manifest.fingerprint == fingerprint


def test_too_many_bad_rows_stop_the_build_before_the_tower_runs(make_config, images):
    rows = [*good_rows(8), row(50) | {"image": "gone.png"}, row(51, language="xx")]
    config = make_config(rows, max_bad_share=0.1, image_store=None)
    with pytest.raises(DataError) as caught:
        build_corpus(config)
    message = str(caught.value)
    assert "2 of 10 rows are bad, more than 10.0%" in message
    assert "1 image is missing" in message
    assert "1 unknown language" in message
    assert not (config.output / "manifest.json").exists()
    assert not (config.output / "images").exists()


def test_nothing_left_is_an_error(make_config):
    with pytest.raises(DataError, match="no row is left"):
        build_corpus(make_config([row(1, language="xx")], max_bad_share=1.0))


@pytest.mark.parametrize(
    ("data", "fault"),
    [(b"", "empty"), (b'[{"id": 1}, {"id"', "cut off"), (b"a,b\n", "neither")],
)
def test_a_useless_source_is_one_line(make_config, data, fault):
    with pytest.raises(DataError, match=fault) as caught:
        build_corpus(make_config(data))
    assert "\n" not in str(caught.value)


def test_wrong_folders_are_refused_and_kept(make_config, tmp_path):
    precious = tmp_path / "corpus" / "samples"
    precious.mkdir(parents=True)
    (precious / "thesis.txt").write_text("precious")
    with pytest.raises(StorageError, match="holds something that is no corpus"):
        build_corpus(make_config(good_rows()))
    assert (precious / "thesis.txt").read_text() == "precious"
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError, match=r"choose another path|Check the path"):
        build_corpus(make_config(good_rows(), output=blocked / "corpus"))


def test_a_tower_without_its_weights_is_one_line(make_config, corpus_parts, tmp_path):
    tower = tmp_path / "tower"
    shutil.copytree(corpus_parts / "tower", tower)
    config = json.loads((tower / "config.json").read_text())
    config["num_hidden_layers"] += 1
    (tower / "config.json").write_text(json.dumps(config))
    with pytest.raises(MismatchError, match=r"not those of its config\.json: .* missing"):
        build_corpus(make_config(good_rows(), tower=tower, image_store=None))
