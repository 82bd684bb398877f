"""Building small corpora end to end with Ray Data, good input and bad."""

import dataclasses
import itertools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from tests.fixtures.training import write_tokenizer
from transformers import CLIPVisionConfig, CLIPVisionModel

from palo.data.build import build_corpus
from palo.data.cleaning import AS_IT_IS, CleaningSettings
from palo.data.corpus import open_corpus
from palo.data.corpus_config import CorpusConfig, SourceConfig
from palo.data.image_store import DTYPES
from palo.data.images import decode_image, preprocess
from palo.data.reasons import Reason
from palo.errors import DataError, MismatchError, PaloError, ResourceError, StorageError
from palo.text.encoding import IMAGE_SENTINEL, EncodingLimits

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Folders of a tiny random CLIP tower and of a throwaway tokenizer."""
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=28,
        patch_size=7,
    )
    CLIPVisionModel(config).save_pretrained(folder / "tower")
    write_tokenizer(folder / "tokenizer")
    return folder


@pytest.fixture
def pictures(tmp_path):
    """Nine pictures of different shapes and colours; the last two are the same file."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(8):
        rng = np.random.default_rng(number)
        blocks = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        image = Image.fromarray(blocks).resize((20 + 5 * number, 40), Image.Resampling.NEAREST)
        image.save(folder / f"{number}.png")
    (folder / "8.png").write_bytes((folder / "7.png").read_bytes())
    return folder


def row(number, *, image=True, rounds=1, language="en", **fields):
    turns = []
    for index in range(rounds):
        place = "<image>\n" if image and index == 0 else ""
        turns.append({"from": "human", "value": f"{place}a red circle {number}?"})
        turns.append({"from": "gpt", "value": f"two blue squares {number}"})
    values = {"id": number, "language": language, "conversations": turns}
    if image:
        values["image"] = f"{number % 9}.png"
    return values | fields


def good_rows(count=30):
    codes = ("en", "ur", "zh")
    return [row(n, image=n % 5 > 0, rounds=1 + n % 3, language=codes[n % 3]) for n in range(count)]


@pytest.fixture
def make_config(tmp_path, parts, pictures):
    def make(rows, name="made", lines=True, **changes):
        path = tmp_path / f"{name}.json"
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        elif lines:
            path.write_text("".join(json.dumps(value) + "\n" for value in rows))
        else:
            path.write_text(json.dumps(rows))
        source = SourceConfig(name=name, path=path, images=pictures, licence="CC0")
        values = {
            "sources": (source,),
            "output": tmp_path / "corpus",
            "tokenizer": parts / "tokenizer",
            "tower": parts / "tower",
            "limits": EncodingLimits(max_text_tokens=256),
            "images_per_shard": 3,
            "cleaning": CleaningSettings(other_language="off"),  # rows() speaks English always
            "image_store": parts / "store",  # filled by the first test that needs it
        }
        return CorpusConfig(**(values | changes))

    return make


def test_a_corpus_holds_every_row_and_every_picture_once(make_config, pictures):
    said = []
    config = make_config(good_rows(), image_store=None)
    report = build_corpus(config, said.append)
    corpus = open_corpus(config.output)
    assert [stage.rows_in for stage in corpus.manifest.stages] == [30] * 5
    assert len(corpus) == corpus.manifest.num_samples == 30
    assert not report.reused
    samples = corpus.read(range(30))
    assert [s.record_id.split("@")[0] for s in samples] == [f"made/{n}" for n in range(30)]
    assert [s.language for s in samples[:3]] == ["en", "ur", "zh"]
    assert corpus.manifest.num_images == report.num_images_encoded == len(corpus.images) == 8
    assert samples[7].image_id == samples[8].image_id
    for sample, has_image in zip(samples, corpus.has_image, strict=True):
        assert has_image == (sample.image_id is not None)
        assert (sample.input_ids == IMAGE_SENTINEL).sum() == has_image
    assert {count.language: count.num_records for count in corpus.manifest.languages} == {
        "en": 10,
        "zh": 10,
        "ur": 10,
    }
    assert sum(c.num_target_tokens for c in corpus.manifest.languages) == corpus.num_targets.sum()
    assert any("rows/s" in line for line in said)
    assert any("images/s" in line for line in said)


def test_features_are_the_towers_own(make_config, parts, pictures):
    config = make_config(good_rows(), image_store=None, feature_dtype="fp32")
    build_corpus(config)
    corpus = open_corpus(config.output)
    (sample,) = [s for s in corpus.read(range(30)) if s.record_id.startswith("made/3@")]
    tower = CLIPVisionModel.from_pretrained(parts / "tower").eval()
    image = decode_image((pictures / "3.png").read_bytes())
    pixels = torch.from_numpy(preprocess(image, corpus.images.spec.preprocessing))[None]
    with torch.no_grad():
        expected = tower(pixels, output_hidden_states=True).hidden_states[-2][0, 1:]
    assert torch.allclose(corpus.images.read(sample.image_id), expected, atol=1e-5)
    corpus.check(
        tokenizer_fingerprint=corpus.manifest.tokenizer_fingerprint,
        tower_fingerprint=corpus.images.spec.tower_fingerprint,
        template="vicuna_v1",
    )


@pytest.mark.parametrize("store", ["features", "pixels"])
def test_what_is_built_does_not_depend_on_workers_or_place(make_config, tmp_path, store):
    config = make_config(good_rows(), image_store=None, store=store)
    first = build_corpus(config).manifest
    other = dataclasses.replace(
        config, output=tmp_path / "elsewhere", num_encoders=2, images_per_shard=2
    )
    assert build_corpus(other).manifest.fingerprint == first.fingerprint
    corpora = [open_corpus(config.output), open_corpus(other.output)]
    for one, two in zip(*(corpus.read(range(30)) for corpus in corpora), strict=True):
        assert one.sample_id == two.sample_id
        assert np.array_equal(one.input_ids, two.input_ids)
        if one.image_id is not None:
            rows = [corpus.images.read(one.image_id) for corpus in corpora]
            assert torch.equal(*rows)
            assert rows[0].dtype == DTYPES["bf16" if store == "features" else "uint8"]


def test_arrays_and_lines_give_the_same_samples_but_for_their_names(make_config, tmp_path):
    lines = make_config(good_rows())
    array = make_config(good_rows(), name="array", lines=False, output=tmp_path / "two")
    build_corpus(lines)
    build_corpus(array)
    pairs = zip(
        open_corpus(lines.output).read(range(30)),
        open_corpus(array.output).read(range(30)),
        strict=True,
    )
    assert all(np.array_equal(one.input_ids, two.input_ids) for one, two in pairs)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_an_archive_gives_the_same_corpus_as_its_folder(make_config, pictures, tmp_path, form):
    config = make_config(good_rows())
    fingerprint = build_corpus(config).manifest.fingerprint
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), form, pictures))
    (source,) = config.sources
    packed = dataclasses.replace(
        config,
        sources=(dataclasses.replace(source, images=archive),),
        output=tmp_path / "other",
        image_store=None,
    )
    report = build_corpus(packed)
    assert report.manifest.fingerprint == fingerprint
    assert report.num_images_encoded == 8
    assert build_corpus(packed).reused
    os.utime(archive)
    said = []
    assert build_corpus(packed, said.append).num_images_encoded == 0
    assert "9 image files" in said[0]
    assert len(list((packed.output / "archives").iterdir())) == 1
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(DataError, match="the archive of pictures can't be read"):
        build_corpus(packed)


def test_a_second_run_does_nothing_and_says_so(make_config):
    config = make_config(good_rows())
    first = build_corpus(config)
    before = (config.output / "manifest.json").stat().st_mtime_ns
    said = []
    again = build_corpus(config, said.append)
    assert again.reused
    assert again.manifest == first.manifest
    assert said == [f"{config.output} is up to date: 30 samples"]
    assert (config.output / "manifest.json").stat().st_mtime_ns == before


def test_changes_are_noticed_and_named(make_config, pictures):
    config = make_config(good_rows(), image_store=None)
    first = build_corpus(config).manifest.fingerprint
    said = []
    longer = dataclasses.replace(config, limits=EncodingLimits(max_text_tokens=300))
    assert build_corpus(longer, said.append).num_images_encoded == 0
    assert "since these changed: limits.max_text_tokens" in said[0]
    said.clear()
    cropped = dataclasses.replace(longer, aspect="crop")
    report = build_corpus(cropped, said.append)
    assert "image_store.preprocessing.aspect" in said[0]
    assert report.num_images_encoded == 8
    assert report.manifest.fingerprint != first
    make_config(good_rows(31))
    said.clear()
    assert (
        build_corpus(cropped, said.append).manifest.num_samples == report.manifest.num_samples + 1
    )
    assert "sources.made.sha256" in said[0]
    Image.new("RGB", (9, 9), "red").save(pictures / "3.png")
    said.clear()
    assert build_corpus(cropped, said.append).num_images_encoded == 1
    assert "1 image files" in said[0]


def test_a_damaged_store_is_mended_by_building_again(make_config):
    config = make_config(good_rows(), image_store=None)
    fingerprint = build_corpus(config).manifest.fingerprint
    next((config.output / "images" / "shards").iterdir()).unlink()
    report = build_corpus(config)
    assert 0 < report.num_images_encoded <= 3
    assert report.manifest.fingerprint == fingerprint
    assert len(open_corpus(config.output).images) == 8


def test_a_build_that_died_is_done_again(make_config):
    config = make_config(good_rows())
    fingerprint = build_corpus(config).manifest.fingerprint
    (config.output / "manifest.json").unlink()
    (config.output / "samples" / "000-99999999999999.parquet").write_bytes(b"left over")
    assert build_corpus(config).manifest.fingerprint == fingerprint


def test_two_corpora_share_one_image_store(make_config, tmp_path):
    shared = tmp_path / "shared"
    one = make_config(good_rows(), image_store=shared)
    assert build_corpus(one).num_images_encoded == 8
    two = dataclasses.replace(one, output=tmp_path / "two", template="chatml", sources=one.sources)
    with pytest.raises(PaloError):  # the throwaway tokenizer has no control tokens of chatml
        build_corpus(two)
    three = dataclasses.replace(one, output=tmp_path / "three")
    assert build_corpus(three).num_images_encoded == 0
    assert len(open_corpus(three.output).images) == 8
    with pytest.raises(MismatchError, match="dtype"):
        build_corpus(dataclasses.replace(three, output=tmp_path / "four", feature_dtype="fp16"))


def test_text_alone_needs_no_store(make_config):
    config = make_config([row(n, image=False) for n in range(4)])
    report = build_corpus(config)
    assert report.manifest.image_store is None
    corpus = open_corpus(config.output)
    assert corpus.images is None
    assert not corpus.has_image.any()


def bad_rows(pictures):
    (pictures / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (pictures / "cut.png").write_bytes((pictures / "1.png").read_bytes()[:60])
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


def test_bad_rows_are_counted_and_quarantined(make_config, pictures):
    cases = bad_rows(pictures)[1:]
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
        for path in sorted((config.output / "quarantine").glob("*.parquet"))
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


def test_what_is_cleaned_and_left_out_is_accounted_for(make_config, pictures):
    rows = dirty_rows()
    same = row(7, image=True) | {"conversations": rows[0]["conversations"]}
    (pictures / "again.png").write_bytes((pictures / "0.png").read_bytes())
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
    assert [stage.num_dropped for stage in as_it_is.stages] == [0] * 5


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


def test_too_many_bad_rows_stop_the_build_before_the_tower_runs(make_config, pictures):
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


def test_more_encoders_than_cpus_say_what_is_missing(make_config):
    with pytest.raises(ResourceError, match=r"99 image encoders need more CPUs.*of 4"):
        build_corpus(make_config(good_rows(), num_encoders=99, image_store=None))
    with pytest.raises(ResourceError, match="GPUs"):
        build_corpus(make_config(good_rows(), gpus_per_encoder=1.0, image_store=None))


def test_an_eleventh_language_needs_no_change(make_config, eleventh_language):
    config = make_config([row(n, language=eleventh_language.code) for n in range(3)])
    assert build_corpus(config).manifest.languages[0].language == eleventh_language.code


def test_a_tower_without_its_weights_is_one_line(make_config, parts, tmp_path):
    tower = tmp_path / "tower"
    shutil.copytree(parts / "tower", tower)
    config = json.loads((tower / "config.json").read_text())
    config["num_hidden_layers"] += 1
    (tower / "config.json").write_text(json.dumps(config))
    with pytest.raises(MismatchError, match=r"not those of its config\.json: .* missing"):
        build_corpus(make_config(good_rows(), tower=tower, image_store=None))
