"""An export appears whole, verified and once, or not at all."""

import errno
import json
import math
import os
import shutil
import stat
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.fixtures.finished import write_finished_stage
from transformers import AutoProcessor, LlamaForCausalLM

from palo import storage
from palo.checkpoint.exporting import export as export_module
from palo.checkpoint.exporting import formats, own_format, shards, verify
from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import ExportSettings
from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.checkpoint.merged_weights import MergedWeights, merged_weights
from palo.errors import ConfigError, MismatchError, ResourceError, StorageError
from palo.model.lora import LoraSettings
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation, Turn

# Worst difference measured in float32: 2e-6, from the order of additions in merging.
TOLERANCE = 1e-5
_HOLDER = """
import sys, time
from pathlib import Path
from palo import storage
with storage.alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def made(model, output, to="llava", **changes):
    settings = ExportSettings(model=model, output=output, to=to, verify=False)
    return export(replace(settings, **changes), say=lambda _: None)


def nothing_but(folder, *names):
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


@torch.no_grad()
def logits(model, tokenizer, template):
    ids = encode_prompt(Conversation((Turn("user", "a red circle"),)), template, tokenizer)
    return model(input_ids=torch.tensor([ids])).logits


@pytest.mark.parametrize("to", ["llava", "palo", "adapter"])
def test_each_format_is_verified_before_it_appears(adapted_stage, tmp_path, to, monkeypatch):
    seen = []
    chosen = formats.FORMATS[to]

    def load(stage, folder, dtype, stop):
        seen.append((folder, (tmp_path / "out").exists()))
        return chosen.load(stage, folder, dtype, stop)

    monkeypatch.setattr(formats, "FORMATS", {to: replace(chosen, load=load)})
    lines = []
    settings = ExportSettings(model=adapted_stage, output=tmp_path / "out", to=to, dtype="float32")
    exported = export(settings, say=lines.append)
    assert seen == [(tmp_path / ".out.partial", False)]
    found = exported.verification
    assert found.num_prompts == found.num_equal_answers == 2 * found.num_with_image == 20
    assert found.rms_difference <= found.tolerance == 1e-4
    assert 0 < found.merge_difference < 1e-4
    assert nothing_but(tmp_path, "out")
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert record["verification"]["num_equal_answers"] == 20
    assert "20 of 20" in (tmp_path / "out" / "README.md").read_text()
    assert any("verify" in line for line in lines)


@pytest.mark.parametrize("to", ["llava", "palo", "adapter"])
def test_an_adapter_with_lengths_is_exported_in_each_format(tmp_path, to):
    stage = write_finished_stage(tmp_path, lora=LoraSettings(rank=4, alpha=8, dora=True))
    settings = ExportSettings(model=stage, output=tmp_path / "out", to=to, dtype="float32")
    found = export(settings, say=lambda _: None).verification
    assert found.num_prompts == found.num_equal_answers
    assert found.rms_difference <= found.tolerance


@pytest.mark.parametrize("strength", [0.0, 0.5])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_wrong_merge_never_appears(adapted_stage, tmp_path, monkeypatch, strength, dtype):
    def weaker(stage):
        weights = merged_weights(stage)
        return MergedWeights(weights.places, weights.adapter, weights.scale * strength)

    monkeypatch.setattr(own_format, "merged_weights", weaker)
    with pytest.raises(
        MismatchError, match="export doesn't answer as the model did: logits are off by"
    ):
        made(adapted_stage, tmp_path / "out", "palo", verify=True, dtype=dtype)
    assert nothing_but(tmp_path)


@pytest.mark.parametrize("strength", [0.9, 0.999])
def test_a_merge_that_is_a_little_wrong_is_noticed_in_any_type(
    adapted_stage, tmp_path, monkeypatch, strength
):
    def weaker(stage):
        weights = merged_weights(stage)
        return MergedWeights(weights.places, weights.adapter, weights.scale * strength)

    monkeypatch.setattr(verify, "merged_weights", weaker)
    with pytest.raises(MismatchError, match="with its adapter merged doesn't answer as the model"):
        made(adapted_stage, tmp_path / "out", verify=True, dtype="bfloat16")
    assert nothing_but(tmp_path)


def test_our_own_format_can_be_moved_anywhere(adapted_stage, tmp_path, monkeypatch):
    made(adapted_stage, tmp_path / "out", "palo", dtype="float32")
    trained = load_trained(adapted_stage)
    wanted = logits(trained.model, trained.tokenizer, trained.template)
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    stage = read_stage(moved)
    assert not stage.has_adapter
    assert all(
        Path(folder).is_relative_to(moved)
        for folder in (stage.parts.tower, stage.parts.language_model, stage.parts.tokenizer)
    )
    found = load_trained(moved)
    got = logits(found.model, found.tokenizer, found.template)
    assert (got - wanted).abs().max() <= TOLERANCE
    assert read_stage(adapted_stage).fingerprints["tower"] == stage.fingerprints["tower"]


@pytest.mark.parametrize("to", ["palo"])
def test_an_ldp_model_has_our_own_format(tmp_path, to):
    from tests.fixtures.finished import write_finished_stage

    folder = write_finished_stage(tmp_path / "own", projector_type="ldp")
    exported = made(folder, tmp_path / "out", to, dtype="float32", verify=True)
    assert exported.verification.num_equal_answers == 20
    with pytest.raises(ConfigError, match="no projector but mlp2x_gelu: ldp"):
        made(folder, tmp_path / "llava")


def test_an_adapter_loads_on_the_plain_base_model(adapted_stage, tmp_path, recwarn):
    made(adapted_stage, tmp_path / "out", "adapter")
    trained = load_trained(adapted_stage)
    parts = trained.stage.parts
    base = LlamaForCausalLM.from_pretrained(parts.language_model)
    model = PeftModel.from_pretrained(base, tmp_path / "out")
    assert not [one for one in recwarn if "missing adapter keys" in str(one.message)]
    wanted = {name.replace(".default.", ".") for name, _ in model.named_parameters()}
    written = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert written.keys() == {name for name in wanted if ".lora_" in name}
    assert all(name.startswith("base_model.model.model.layers.") for name in written)
    got = logits(model, trained.tokenizer, trained.template)
    assert (got - logits(trained.model, trained.tokenizer, trained.template)).abs().max() <= 1e-4
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "language_model"
    assert config["target_modules"] == sorted(config["target_modules"])
    assert len(config["target_modules"]) == 7


def test_a_model_without_an_adapter_has_none_to_export(finished_stage, tmp_path):
    with pytest.raises(ConfigError, match="no adapter beside its base language model"):
        made(finished_stage, tmp_path / "out", "adapter")


def test_the_same_export_again_is_already_there(adapted_stage, tmp_path):
    first = made(adapted_stage, tmp_path / "out")
    before = (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns
    again = made(adapted_stage, tmp_path / "out")
    assert (first.was_there, again.was_there) == (False, True)
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(StorageError, match="holds something else"):
        made(adapted_stage, tmp_path / "out", dtype="float16")
    made(adapted_stage, tmp_path / "out", dtype="float16", force=True)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["dtype"] == "float16"


def test_an_export_that_was_not_verified_is_made_again_if_that_is_wanted(adapted_stage, tmp_path):
    made(adapted_stage, tmp_path / "out")
    assert not made(adapted_stage, tmp_path / "out", verify=True).was_there
    assert made(adapted_stage, tmp_path / "out").was_there
    assert storage.read_json(tmp_path / "out" / "export.json")["verification"]


def test_another_folder_is_left_alone(adapted_stage, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match=r"holds something else: .*/out\. .*--force"):
        made(adapted_stage, tmp_path / "out")
    assert nothing_but(tmp_path / "out", "thesis.txt")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StorageError, match="holds something else"):
        made(adapted_stage, tmp_path / "file")


def test_a_folder_that_appears_meanwhile_is_left_alone(adapted_stage, tmp_path, monkeypatch):
    def appear(*_):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("years of work")

    monkeypatch.setattr(export_module, "copy_licences", appear)
    with pytest.raises(StorageError, match="holds something else"):
        made(adapted_stage, tmp_path / "out")
    assert nothing_but(tmp_path, "out")
    assert nothing_but(tmp_path / "out", "thesis.txt")


def code_of(card, kind):
    return card.split(f"```{kind}\n")[1].split("```")[0]


def test_the_cards_code_runs_as_it_stands(
    adapted_stage, tmp_path, image_files, monkeypatch, capsys
):
    made(adapted_stage, tmp_path / "llava", dtype="float32")
    made(adapted_stage, tmp_path / "adapter", "adapter")
    monkeypatch.chdir(tmp_path)
    shutil.copy(image_files[1], "IMAGE.png")
    exec(code_of((tmp_path / "llava" / "README.md").read_text(), "python"), {})
    assert capsys.readouterr().out.strip()
    shutil.copytree(adapted_stage.parent / "language_model", "language_model")
    found = {}
    exec(code_of((tmp_path / "adapter" / "README.md").read_text(), "python"), found)
    assert isinstance(found["model"], PeftModel)


def test_both_ways_of_processing_a_conversation_are_one(adapted_stage, tmp_path, image_files):
    """In one step, as vLLM's and transformers' pipelines do, and in two, as LLaVA's examples do."""
    made(adapted_stage, tmp_path / "out", dtype="float32")
    processor = AutoProcessor.from_pretrained(tmp_path / "out")
    image = {"type": "image", "path": str(image_files[1])}
    content = [image, {"type": "text", "text": "two blue squares"}]
    messages = [{"role": "user", "content": content}]
    once = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    twice = processor(images=Image.open(image_files[1]), text=text, return_tensors="pt")
    assert torch.equal(once["input_ids"], twice["input_ids"])
    assert torch.equal(once["pixel_values"], twice["pixel_values"])
    assert once["input_ids"][0].tolist().count(1) == 1  # the first token, once


@pytest.mark.parametrize("where", ["stage", "stage/out", "tower/out", ".", "language_model"])
def test_an_export_within_the_model_or_around_it_is_refused(adapted_stage, where):
    with pytest.raises(ConfigError, match="can't be one in the other"):
        made(adapted_stage, adapted_stage.parent / where, force=True)
    assert read_stage(adapted_stage)


def test_a_full_disk_is_told_before_anything_is_written(adapted_stage, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1_000_000))
    with pytest.raises(ResourceError, match=r"too little space for .*: 67 MB needed, 1 MB free"):
        made(adapted_stage, tmp_path / "new" / "out")
    assert nothing_but(tmp_path)


def test_a_disk_that_fills_up_leaves_nothing(adapted_stage, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shards, "_write_tensor", full)
    with pytest.raises(StorageError, match=r"No space left on device.*Free some disk space"):
        made(adapted_stage, tmp_path / "out")
    assert nothing_but(tmp_path)


def test_a_stop_leaves_nothing(adapted_stage, tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shards, "_write_tensor", stopped)
    with pytest.raises(KeyboardInterrupt):
        made(adapted_stage, tmp_path / "out")
    assert nothing_but(tmp_path)


def test_what_a_killed_process_left_is_taken_away(adapted_stage, tmp_path):
    left = tmp_path / ".out.partial"
    left.mkdir()
    (left / "model-00001-of-00009.safetensors").write_bytes(b"half")
    made(adapted_stage, tmp_path / "out")
    assert nothing_but(tmp_path, "out")
    assert not (tmp_path / "out" / "model-00001-of-00009.safetensors").exists()


def test_two_processes_can_not_export_to_one_folder(adapted_stage, tmp_path):
    words = [sys.executable, "-c", _HOLDER, str(tmp_path / ".out.partial")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ResourceError, match="another process is writing in this folder"):
            made(adapted_stage, tmp_path / "out")
        holder.kill()
    assert not (tmp_path / "out").exists()
    made(adapted_stage, tmp_path / "out")


def test_a_file_that_is_cut_off_meanwhile_leaves_nothing(adapted_stage, tmp_path, monkeypatch):
    folder = shutil.copytree(adapted_stage.parent, tmp_path / "own") / "stage"
    original = export_module.require_space

    def cut(*arguments):
        original(*arguments)
        path = folder.parent / "language_model" / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1000])

    monkeypatch.setattr(export_module, "require_space", cut)
    with pytest.raises(StorageError, match=r"model\.safetensors"):
        made(folder, tmp_path / "out")
    assert nothing_but(tmp_path, "own")


def test_an_adapter_for_another_base_is_refused(adapted_stage, tmp_path):
    folder = shutil.copytree(adapted_stage.parent, tmp_path / "own") / "stage"
    path = folder / "adapter" / "adapter_model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("lora_A.weight"))
    save_file(weights | {name: torch.zeros(4, 7)}, path)
    for to in ("llava", "palo", "adapter"):
        with pytest.raises(MismatchError, match="not one for this language model"):
            made(folder, tmp_path / "out", to)
    assert nothing_but(tmp_path, "own")


def test_another_base_is_refused(adapted_stage, tmp_path):
    folder = shutil.copytree(adapted_stage.parent, tmp_path / "own") / "stage"
    path = folder.parent / "language_model" / "model.safetensors"
    weights = load_file(path)
    save_file(weights | {"model.norm.weight": weights["model.norm.weight"] + 1}, path)
    with pytest.raises(MismatchError, match="was trained on another language_model"):
        made(folder, tmp_path / "out")


@pytest.mark.parametrize("to", ["llava", "palo", "adapter"])
def test_models_too_large_for_float32_are_compared_in_bfloat16(
    adapted_stage, tmp_path, monkeypatch, to
):
    shapes = merged_weights(read_stage(adapted_stage)).shapes.values()
    count = sum(math.prod(shape) for shape in shapes)
    memory = namedtuple("memory", "available")
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(3 * count))
    found = made(adapted_stage, tmp_path / "out", to, verify=True).verification
    assert found.compute_dtype == "bfloat16"
    assert found.rms_difference < found.tolerance == 0.2


def test_too_little_memory_to_compare_is_told(adapted_stage, tmp_path, monkeypatch):
    memory = namedtuple("memory", "available")
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(1000))
    with pytest.raises(ResourceError, match=r"memory to compare.*--no-verify"):
        made(adapted_stage, tmp_path / "out", verify=True)
    assert nothing_but(tmp_path)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_files_are_readable_for_whom_the_umask_says(adapted_stage, tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        made(adapted_stage, tmp_path / "out", "palo")
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {mode}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == mode | (mode & 0o444) >> 2


def test_licences_of_the_parts_are_carried_along(adapted_stage, tmp_path):
    folder = shutil.copytree(adapted_stage.parent, tmp_path / "own") / "stage"
    base = folder.parent / "language_model"
    (base / "LICENSE.txt").write_text("You may.")
    (base / "README.md").write_text("---\nlicense: llama2\n---\n# Base")
    made(folder, tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "licences" / "language_model" / "LICENSE.txt").read_text() == "You may."
    card = (out / "README.md").read_text()
    assert "| llama2 |" in card
    assert "are in `licences/`" in card


def test_links_to_elsewhere_are_not_published(adapted_stage, tmp_path):
    folder = shutil.copytree(adapted_stage.parent, tmp_path / "own") / "stage"
    (tmp_path / "secret").write_text("secret")
    (folder.parent / "language_model" / "LICENSE").symlink_to(tmp_path / "secret")
    made(folder, tmp_path / "out", "palo")
    assert not (tmp_path / "out" / "licences").exists()
    (folder.parent / "tower" / "preprocessor_config.json").symlink_to(tmp_path / "secret")
    with pytest.raises(StorageError, match="is not in its folder"):
        made(folder, tmp_path / "other", "palo")
    assert nothing_but(tmp_path, "out", "own", "secret")


@pytest.mark.parametrize("to", ["llava", "palo"])
def test_lineage_is_carried_along(adapted_stage, tmp_path, to):
    folder = shutil.copytree(adapted_stage.parent, tmp_path / "own") / "stage"
    own = {"settings": {"config": {"seed": 42}}, "code": "1.2.3"}
    storage.write_json(folder / "lineage.json", own)
    record = {"id": "palo-0123456789ab", "exported_from": {"id": "palo-0123456789ab"}}
    settings = ExportSettings(model=folder, output=tmp_path / "out", to=to, verify=False)
    export(settings, lineage=record, say=lambda _: None)
    found = storage.read_json(tmp_path / "out" / "lineage.json")
    assert {key: found[key] for key in record} == record
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Lineage: `palo-0123456789ab`" in card
    assert "- seed: 42" in card
    assert "Code: `1.2.3`" in card
