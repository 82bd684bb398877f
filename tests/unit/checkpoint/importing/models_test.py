"""Complete models of each layout: the same tensors, logits and answers as the reference."""

import os
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tests.fixtures import layouts as tiny
from tests.fixtures.damaged_layouts import tensors_of
from transformers import LlavaForConditionalGeneration

from palo import storage
from palo.checkpoint.finished import describe_stage, read_stage
from palo.checkpoint.importing import ImportOptions, open_model, open_projector
from palo.checkpoint.importing.layouts import (
    HF_CLASSIC,
    HF_FLAT,
    HF_PREFIXED,
    HF_SAVED,
    LLAVA,
    MOBILE_VLM,
)
from palo.checkpoint.load import load_trained

# Worst difference measured on a CPU in float32: none, adapters included; the logits reach 7.6.
TOLERANCE = 1e-5

HUGGING_FACE = {"classic": HF_CLASSIC, "prefixed": HF_PREFIXED, "flat": HF_FLAT, "saved": HF_SAVED}


def put_tower(tmp_path, model):
    return tiny.write_clip(tmp_path / "models" / "clip-vit-large-patch14-336", model)


def write(layout, folder, model):
    """Writes a checkpoint of a layout with the MLP projector."""
    if layout == "palo":
        return tiny.write_palo(folder, model)
    if layout == "palo, one file":
        return tiny.write_palo(folder, model, num_shards=1)
    if layout == "llava":
        put_tower(folder.parent, model)
        return tiny.write_llava(folder, model)
    return tiny.write_hugging_face(folder, model, HUGGING_FACE[layout])


@pytest.fixture(scope="session")
def reference(tiny_palo, tmp_path_factory):
    """transformers' own model of the same weights."""
    folder = tmp_path_factory.mktemp("reference") / "llava"
    tiny.write_hugging_face(folder, tiny_palo, HF_CLASSIC)
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def prompt(config, image_id):
    """Ids of a row with an image, and its pixels."""
    generator = torch.Generator().manual_seed(2)
    words = torch.randint(3, 250, (9,), generator=generator).tolist()
    ids = [1, *words[:2], *[image_id] * config.tokens_per_image, *words[2:]]
    side = config.input_image_size
    return torch.tensor([ids]), torch.randn(1, 3, side, side, generator=generator)


def assert_answers_equal(model, reference):
    num_words = model.config.text_config.vocab_size
    ids, pixels = prompt(model.config, model.config.image_sentinel)
    theirs, _ = prompt(model.config, reference.config.image_token_index)
    with torch.no_grad():
        got = model(input_ids=ids, pixels=pixels).logits
        expected = reference(input_ids=theirs, pixel_values=pixels).logits[..., :num_words]
        assert expected.std() > 0.5, "weights too small for the comparison to mean anything"
        torch.testing.assert_close(got, expected, rtol=0, atol=TOLERANCE)
        options = {"max_new_tokens": 16, "do_sample": False, "eos_token_id": None}
        mine = model.generate(input_ids=ids, pixels=pixels, **options)
        # transformers also counts the rows that no tokenizer reaches.
        other = reference.generate(
            input_ids=theirs,
            pixel_values=pixels,
            suppress_tokens=list(range(num_words, reference.config.text_config.vocab_size)),
            **options,
        )
    answer = mine[0, ids.shape[1] :].tolist()
    assert len(set(answer)) > 3, "a constant answer proves nothing"
    assert answer == other[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("layout", ["palo", "palo, one file", "llava", *HUGGING_FACE])
def test_each_layout_becomes_the_same_model(imports, tmp_path, tiny_palo, reference, layout):
    stage = open_model(write(layout, tmp_path / "anything", tiny_palo))
    found = tensors_of(stage)
    assert found.keys() == tiny_palo.weights.keys()
    for name, tensor in found.items():
        wanted = tiny_palo.weights[name]
        own_tower = layout != "llava" or not name.startswith("vision_tower.")
        assert tensor.dtype == (wanted.dtype if own_tower else torch.float32)
        assert torch.equal(tensor, wanted.to(tensor.dtype)), name
    assert_answers_equal(load_trained(stage).model, reference)


@pytest.mark.parametrize(
    "kind", [("mobilevlm", "MobileLlamaForCausalLM"), ("palo", "PaloForCausalLM")], ids=str
)
def test_models_with_the_ldp_projector_keep_their_type(imports, tmp_path, tiny_mobile, kind):
    stage = open_model(tiny.write_mobile(tmp_path / "x", tiny_mobile, *kind))
    assert describe_stage(stage).parts.projector_type == "ldp"
    found = tensors_of(stage)
    assert found.keys() == tiny_mobile.weights.keys()
    for name, tensor in found.items():
        assert tensor.dtype == torch.bfloat16
        assert torch.equal(tensor, tiny_mobile.weights[name]), name
    load_trained(stage)


@pytest.mark.parametrize("layout", [LLAVA, *HUGGING_FACE.values()], ids=lambda one: one.title)
def test_what_is_exported_under_a_layouts_names_comes_back(imports, tmp_path, tiny_palo, layout):
    first = open_model(tiny.write_palo(tmp_path / "palo", tiny_palo))
    stage = read_stage(first)
    exported = tiny.TinyModel(
        weights=tensors_of(first),
        tower=tiny_palo.tower,
        language=tiny_palo.language,
        tokenizer=stage.parts.tokenizer,
    )
    folder = tmp_path / "exported"
    if layout is LLAVA:
        tiny.write_palo(folder, exported)
    else:
        tiny.write_hugging_face(folder, exported, layout)
    again = tensors_of(open_model(folder))
    assert again.keys() == exported.weights.keys()
    assert all(torch.equal(again[name], one) for name, one in exported.weights.items())


def test_exported_names_of_the_ldp_projector_come_back(imports, tmp_path, tiny_mobile):
    names = [MOBILE_VLM.from_canonical(name) for name in tiny_mobile.weights]
    assert None not in names
    assert "model.mm_projector.model.mb_block.1.block.0.0.weight" in names


@pytest.mark.parametrize("safetensors", [False, True], ids=["pickled", "safetensors"])
@pytest.mark.parametrize("pickled_base", [False, True], ids=["base", "pickled base"])
def test_an_adapter_is_joined_to_its_base(imports, tmp_path, tiny_palo, safetensors, pickled_base):
    put_tower(tmp_path, tiny_palo)
    base = tmp_path / "models" / "vicuna-7b-v1.5"
    tiny.write_language_model(base, tiny_palo, num_shards=2 if pickled_base else 1)
    matrices = tiny.write_lora(tmp_path / "lora", tiny_palo, safetensors=safetensors)
    stage = open_model(tmp_path / "lora")
    found = tensors_of(stage)
    for name, wanted in tiny_palo.weights.items():
        stem = name.removesuffix(".weight")
        merged = wanted.float()
        if f"{stem}.lora_A.weight" in matrices:
            down, up = (matrices[f"{stem}.lora_{letter}.weight"].float() for letter in "AB")
            merged = merged + 2 * up @ down
        torch.testing.assert_close(found[name].float(), merged, rtol=1e-5, atol=TOLERANCE)
    model = load_trained(stage).model.state_dict()
    name = "language_model.model.layers.0.mlp.up_proj.weight"
    torch.testing.assert_close(model[name], found[name].float(), rtol=1e-5, atol=TOLERANCE)


def test_an_adapter_of_some_weights_names_them(imports, tmp_path, tiny_palo):
    put_tower(tmp_path, tiny_palo)
    base = tiny.write_language_model(tmp_path / "base", tiny_palo)
    tiny.write_lora(tmp_path / "lora", tiny_palo)
    path = tmp_path / "lora" / "adapter_model.bin"
    weights = torch.load(path, weights_only=True)
    torch.save({name: one for name, one in weights.items() if ".q_proj." in name}, path)
    stage = open_model(tmp_path / "lora", ImportOptions(base=base))
    load_trained(stage)
    config = storage.read_json(stage / "adapter" / "adapter_config.json")
    assert sorted(config["target_modules"]) == [
        f"language_model.model.layers.{number}.self_attn.q_proj" for number in (0, 1)
    ]


@pytest.mark.parametrize("prefix", ["model.", "", "base_model.model.model."])
def test_a_projector_alone_is_a_start(imports, tmp_path, tiny_palo, prefix):
    path = tmp_path / "pretrained" / "mm_projector.bin"
    tiny.write_projector_file(path, tiny_palo, prefix)
    folder = open_projector(path)
    found = load_file(folder / "projector.safetensors")
    wanted = tiny_palo.part("projector.")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    (path.parent / "config.json").write_text("{}")
    assert open_projector(path.parent) == folder


def test_a_complete_model_is_a_start_too(imports, tmp_path, tiny_palo):
    folder = tiny.write_palo(tmp_path / "palo", tiny_palo)
    assert open_projector(folder) == open_model(folder)


def test_our_own_runs_are_returned_as_they_are(imports, tmp_path, finished_stage):
    run = tmp_path / "run"
    shutil.copytree(finished_stage, run / "finetune")
    assert open_model(finished_stage) == finished_stage
    assert open_model(run) == run / "finetune"
    assert open_projector(finished_stage) == finished_stage
    assert not imports.exists()


def test_the_tower_is_found_in_hugging_faces_cache_and_in_the_search_path(
    imports, tmp_path, tiny_palo, monkeypatch
):
    folder = tiny.write_llava(tmp_path / "there" / "llava", tiny_palo)
    repository = tmp_path / "hugging-face" / "hub" / "models--openai--clip-vit-large-patch14-336"
    tiny.write_clip(repository / "snapshots" / "abc", tiny_palo)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    stage = open_model(folder)
    lineage = storage.read_json(stage / "lineage.json")["imported"]
    assert lineage["tower"] == str(repository / "snapshots" / "abc")
    assert len(lineage["files"]) == 3
    shutil.move(repository / "snapshots" / "abc", tmp_path / "mine" / "clip-vit-large-patch14-336")
    monkeypatch.setenv("PALO_MODELS", os.pathsep.join(["/nowhere", str(tmp_path / "mine")]))
    assert open_model(folder) == stage


def test_a_snapshot_of_hugging_faces_cache_is_a_checkpoint(imports, tmp_path, tiny_palo):
    """Its files are links to blobs, which carry the hash of their content as their name."""
    folder = tiny.write_palo(tmp_path / "palo", tiny_palo)
    repository = tmp_path / "models--MBZUAI--PALO-7B"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in folder.iterdir():
        digest = storage.file_hash(path)
        shutil.copy(path, repository / "blobs" / digest)
        (snapshot / path.name).symlink_to(f"../../blobs/{digest}")
    stage = open_model(snapshot)
    files = storage.read_json(stage / "lineage.json")["imported"]["files"]
    path = folder / "pytorch_model-00001-of-00002.bin"
    assert files[str(snapshot / path.name)] == {
        "size_bytes": path.stat().st_size,
        "sha256": storage.file_hash(path),
    }
    assert open_model(folder) == stage


def test_what_is_written_says_how_images_are_seen(imports, tmp_path, tiny_palo):
    stage = open_model(tiny.write_palo(tmp_path / "palo", tiny_palo))
    assert describe_stage(stage).preprocessing == {
        "aspect": "pad",
        "image_size": 32,
        "shortest_edge": 32,
    }
    cropped = tiny.write_palo(tmp_path / "other", tiny_palo, image_aspect_ratio="square")
    assert (describe_stage(open_model(cropped)).preprocessing or {})["aspect"] == "crop"


def test_other_users_may_read_an_import(imports, tmp_path, tiny_palo):
    old = os.umask(0o022)
    try:
        stage = open_model(tiny.write_palo(tmp_path / "palo", tiny_palo))
    finally:
        os.umask(old)
    modes = {path.stat().st_mode & 0o777 for path in stage.rglob("*") if path.is_file()}
    assert modes == {0o644}
