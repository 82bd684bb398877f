"""The lineage of models: ids that last, parts and stages that are found again, old records."""

import shutil

import pytest
from tests.fixtures.finished import write_finished_stage

from palo import storage
from palo.checkpoint.finished import describe_stage
from palo.checkpoint.lineage import lineage_of
from palo.checkpoint.lineage_id import lineage_id
from palo.checkpoint.lineage_page import lineage_lines, lineage_page
from palo.errors import DataError, StorageError

RECORD = {
    "identity": {"settings": "ab" * 8},
    "settings": {"recipe": "nano", "config": {"epochs": 2, "lora": {"rank": 4}}},
    "corpus": {
        "folder": "../../corpus",
        "fingerprint": "feed000011112222",
        "records": [
            {"source": "a", "licence": "CC0", "language": "ur", "records": 7},
            {"source": "a", "licence": "CC0", "language": "bn", "records": 1200},
            {"source": "b", "licence": "", "language": "ur", "records": 3},
        ],
    },
    "sources": {"a": "12" * 32},
    "code": "1.0+abcdef012345",
    "commit": {"commit": "c0ffee", "dirty": True},
    "machines": [{"processor": "A CPU", "num_cpus": 2, "memory_gib": 4.0, "num_workers": 2}],
    "versions": {"torch": "2.13.0"},
}  # fmt: skip


@pytest.fixture
def stage(tmp_path, finished_stage):
    """A finished stage with a record, its parts beside it."""
    folder = tmp_path / "run"
    shutil.copytree(finished_stage.parent, folder)
    record = storage.read_json(folder / "stage" / "lineage.json")
    storage.write_json(folder / "stage" / "lineage.json", {**record, **RECORD})
    return folder / "stage"


def node(lineage, kind, name=""):
    (found,) = [n for n in lineage.nodes() if n.kind == kind and name in n.name]
    return found


def change(path, **values):
    storage.write_json(path, {**storage.read_json(path), **values})


def test_the_tree_names_all_that_the_model_was_made_of(stage) -> None:
    lineage = lineage_of(stage)
    assert node(lineage, "settings").facts["recipe"] == "nano"
    assert node(lineage, "settings").facts["lora.rank"] == "4"
    assert node(lineage, "settings").id == "ab" * 8
    corpus = node(lineage, "corpus")
    assert corpus.id == "feed000011112222"
    assert corpus.facts["records by language"] == "ur 10, bn 1,200"
    assert corpus.facts["records by licence"] == "CC0 1,207, not said 3"
    assert node(lineage, "code").facts["commit"] == "c0ffee, with changes that are in no commit"
    assert "A CPU, 2 CPUs, 4.0 GiB, no GPU, 2 workers" in node(lineage, "machines").facts.values()
    assert node(lineage, "packages").facts == {"torch": "2.13.0"}
    assert node(lineage, "part", "tower").id == describe_stage(stage).fingerprints["tower"]
    assert node(lineage, "weights").state == "checked"


def test_what_an_old_record_lacks_is_said(finished_stage) -> None:
    lineage = lineage_of(finished_stage)
    told = "\n".join(lineage_lines(lineage))
    for kind in ("settings", "machines"):
        assert "not recorded" in node(lineage, kind).facts.values()
    assert "commit: not recorded" in told


def test_the_id_stays_where_the_folder_is_moved(stage, tmp_path) -> None:
    before = lineage_id(stage)
    shutil.move(stage.parent, tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / "stage"
    assert lineage_id(moved) == before == lineage_of(moved).id
    # As a person does who moved the stage alone.
    values = storage.read_json(moved / "model.json")
    values["parts"]["tower"] = str(tmp_path / "elsewhere" / "tower")
    storage.write_json(moved / "model.json", values)
    assert lineage_id(moved) == before


def test_other_weights_and_another_history_have_another_id(stage) -> None:
    before = lineage_id(stage)
    change(stage / "lineage.json", code="1.1+000000000000")
    other = lineage_id(stage)
    data = bytearray((stage / "projector.safetensors").read_bytes())
    data[-1] ^= 1
    (stage / "projector.safetensors").write_bytes(data)
    assert len({before, other, lineage_id(stage)}) == 3
    weights = node(lineage_of(stage), "weights")
    assert weights.state == "changed"
    assert "recorded as" in weights.facts


def test_the_scale_of_an_adapter_is_part_of_the_id(tmp_path, adapted_stage) -> None:
    shutil.copytree(adapted_stage, tmp_path / "stage")
    before = lineage_id(tmp_path / "stage")
    change(tmp_path / "stage" / "adapter" / "adapter_config.json", lora_alpha=99)
    assert lineage_id(tmp_path / "stage") != before


def test_parts_are_checked_only_when_asked(stage) -> None:
    config = stage.parent / "tower" / "config.json"
    config.write_text(config.read_text() + " ")
    assert node(lineage_of(stage), "part", "tower").state == "named"
    lineage = lineage_of(stage, check=True)
    assert node(lineage, "part", "tower").state == "changed"
    assert node(lineage, "part", "language").state == "checked"
    tokenizer = node(lineage, "part", "tokenizer")
    assert tokenizer.facts["fingerprint"] == "not recorded"


def test_a_part_that_is_gone_is_named(stage) -> None:
    shutil.rmtree(stage.parent / "tower")
    tower = node(lineage_of(stage, check=True), "part", "tower")
    assert tower.state == "missing"
    assert tower.remark.startswith("not found here, named as ")
    assert tower.id


def test_a_part_without_weights_does_not_end_the_check(stage) -> None:
    (stage.parent / "tower" / "model.safetensors").unlink()
    tower = node(lineage_of(stage, check=True), "part", "tower")
    assert tower.state == "changed"
    assert "no weights" in tower.facts["can't be read"]


@pytest.fixture
def run(tmp_path, finished_stage):
    """A run of two stages; the second records that it started from the first."""
    for name in ("pretrain", "finetune"):
        shutil.copytree(finished_stage, tmp_path / "run" / name)
    for name in ("tower", "language_model", "tokenizer"):
        shutil.copytree(finished_stage.parent / name, tmp_path / "run" / name)
    change(tmp_path / "run" / "pretrain" / "lineage.json", code="1.0+first")
    start = {"folder": "../pretrain", "id": lineage_id(tmp_path / "run" / "pretrain")}
    change(tmp_path / "run" / "finetune" / "lineage.json", started_from=start)
    return tmp_path / "run"


def test_the_stage_that_it_started_from_has_a_tree_of_its_own(run) -> None:
    start = node(lineage_of(run), "start")
    assert start.state == "checked"
    assert start.name == "run/pretrain"
    assert any(n.facts.get("version") == "1.0+first" for n in start.nodes())


def test_another_stage_in_its_place_is_seen(run) -> None:
    change(run / "pretrain" / "lineage.json", code="1.0+other")
    assert node(lineage_of(run), "start").state == "changed"


def test_a_start_that_is_gone_is_named(run) -> None:
    wanted = lineage_id(run / "pretrain")
    shutil.rmtree(run / "pretrain")
    start = node(lineage_of(run), "start")
    assert (start.state, start.id) == ("missing", wanted)


def test_an_old_record_names_its_start_by_a_path_and_the_projector(run, tmp_path) -> None:
    from palo.checkpoint.finished import projector_hash
    from palo.config import fingerprint

    identity = {"projector": fingerprint(["mlp2x_gelu", projector_hash(run / "pretrain")])}
    settings = {"projector": "/gone/run/pretrain"}
    change(
        run / "finetune" / "lineage.json",
        identity=identity, settings=settings, started_from={},
    )  # fmt: skip
    assert node(lineage_of(run), "start").state == "checked"
    change(run / "finetune" / "lineage.json", identity={"projector": "0" * 16})
    assert node(lineage_of(run), "start").state == "changed"


def test_stages_that_name_each_other_end_the_tree(run) -> None:
    change(run / "pretrain" / "lineage.json", started_from={"folder": "../finetune", "id": "x"})
    lineage = lineage_of(run)
    assert sum(n.kind == "start" for n in lineage.nodes()) == 2


def test_an_exported_folder_keeps_id_and_tree(stage, tmp_path) -> None:
    corpus = {**RECORD["corpus"], "folder": "/secret/corpus"}
    change(stage / "lineage.json", corpus=corpus, imported={"from": "/secret/llava"})
    lineage = lineage_of(stage)
    exported = tmp_path / "exported"
    exported.mkdir()
    shutil.copy(stage / "projector.safetensors", exported / "model.safetensors")
    storage.write_json(exported / "lineage.json", lineage.export_record())
    again = lineage_of(exported)
    assert again.id == lineage.id == lineage_id(exported)
    assert node(again, "start").id == lineage.id
    assert node(again, "corpus").facts["records by licence"] == "CC0 1,207, not said 3"
    # Readers of stages' records find the same fields.
    record = storage.read_json(exported / "lineage.json")
    assert record["code"] == "1.0+abcdef012345"
    assert record["settings"]["config"]["epochs"] == 2
    assert len([n for n in again.nodes() if n.kind == "settings"]) == 1
    # Paths say nothing elsewhere, and much about who exported it.
    text = (exported / "lineage.json").read_text()
    assert str(tmp_path) not in text
    assert "/secret" not in text


@pytest.mark.parametrize(
    "exported", ["palo-0123456789ab", {"id": "palo-0123456789ab", "folder": "run/stage"}]
)
def test_a_short_record_of_an_export_is_read(tmp_path, exported) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    record = {"id": "palo-0123456789ab", "exported_from": exported, "dtype": "float16"}
    storage.write_json(tmp_path / "lineage.json", record)
    lineage = lineage_of(tmp_path)
    assert lineage.id == "palo-0123456789ab"
    assert "palo-0123456789ab" in (
        node(lineage, "start").id,
        *node(lineage, "start").facts.values(),
    )
    assert node(lineage, "record").facts == {"value": "float16"}


def test_an_id_that_is_none_of_ours_is_not_believed(tmp_path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    storage.write_json(tmp_path / "lineage.json", {"id": "../\x1b[2J", "exported_from": {}})
    assert lineage_of(tmp_path).id.startswith("palo-")


def test_what_an_import_records_is_shown(stage) -> None:
    change(stage / "lineage.json", imported_from={"layout": "llava", "files": ["a.bin", "b.bin"]})
    facts = node(lineage_of(stage), "record").facts
    assert facts == {"layout": "llava", "files": "a.bin, b.bin"}


def test_an_export_in_the_form_of_a_stage_shows_what_it_records(stage, tmp_path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    record = {"id": "palo-0123456789ab", "exported_from": "mine", **RECORD}
    storage.write_json(tmp_path / "lineage.json", record)
    lineage = lineage_of(tmp_path)
    assert node(lineage, "settings").facts["recipe"] == "nano"
    assert node(lineage, "corpus").facts["records by licence"] == "CC0 1,207, not said 3"


def test_an_import_from_elsewhere_has_the_same_id(stage) -> None:
    ids = set()
    for place in ("/here", "/there/it/is", "s3://bucket/models"):
        files = {f"{place}/a.bin": "12" * 32}
        change(stage / "lineage.json", imported={"from": f"{place}/a.bin", "files": files})
        ids.add(lineage_id(stage))
    assert len(ids) == 1
    change(stage / "lineage.json", imported={"from": "/here/a.bin", "files": {"/a.bin": "34" * 32}})
    assert lineage_id(stage) not in ids


def test_a_folder_of_nothing_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="has no lineage"):
        lineage_of(tmp_path)
    storage.write_json(tmp_path / "lineage.json", {})
    with pytest.raises(DataError, match="no weights here"):
        lineage_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[1]", DataError),
        ("{", StorageError),
        ('"x"', DataError),
        ('{"children": [' * 400 + "]}" * 400, DataError),
    ],
)
def test_a_damaged_record_is_refused(stage, text, error) -> None:
    (stage / "lineage.json").write_text(text)
    with pytest.raises(error, match=r"lineage\.json"):
        lineage_of(stage)


@pytest.mark.parametrize(
    "values",
    [
        {"machines": "x", "corpus": {"records": {}}, "versions": [], "weights": 5},
        {"settings": [1], "identity": None, "started_from": "x", "commit": 3},
        {"corpus": {"records": [{"records": "many"}, 7]}, "code": None},
        {"exported_from": {"tree": {"kind": 7}}},
    ],
)
def test_a_record_of_wrong_values_is_still_shown(stage, values) -> None:
    change(stage / "lineage.json", **values)
    lineage = lineage_of(stage)
    assert lineage_lines(lineage)
    assert lineage_page(lineage)


def test_neither_lines_nor_page_obey_what_they_show(stage) -> None:
    change(stage / "lineage.json", code="\x1b[2J<script>alert(1)</script>\n\u202e")
    lineage = lineage_of(stage)
    told = "\n".join(lineage_lines(lineage))
    assert "\x1b" not in told
    assert "\u202e" not in told
    shown = lineage_page(lineage)
    assert "<script" not in shown
    assert "\x1b" not in shown


def test_a_stage_that_is_written_records_what_it_is_given(tmp_path) -> None:
    folder = write_finished_stage(tmp_path)
    assert set(storage.read_json(folder / "lineage.json")) == {"weights", "versions"}
