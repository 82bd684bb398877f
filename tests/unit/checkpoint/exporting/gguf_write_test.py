"""What a finished model is as GGUF: weights, metadata and tokens, read back by other readers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.fixtures.finished import write_finished_stage
from tests.fixtures.gguf_models import write_byte_level_stage, write_mobile_stage
from transformers import LlamaForCausalLM

from palo.checkpoint.exporting.gguf import gguf_bytes, write_gguf
from palo.checkpoint.finished import read_stage
from palo.checkpoint.gguf import convert_gguf
from palo.checkpoint.load import load_trained
from palo.checkpoint.merged_weights import merged_weights
from palo.text.tokenizer import load_tokenizer

gguf = pytest.importorskip("gguf", reason="writing GGUF needs the gguf package (extra mini)")


@pytest.fixture(scope="module")
def byte_level_stage(tmp_path_factory) -> Path:
    return write_byte_level_stage(tmp_path_factory.mktemp("byte_level"))


@pytest.fixture(scope="module")
def mobile_stage(tmp_path_factory) -> Path:
    return write_mobile_stage(tmp_path_factory.mktemp("mobile"))


def _fields(path):
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def _tensors(path):
    return {one.name: one for one in gguf.GGUFReader(path).tensors}


def _values(tensor):
    """A tensor as float32, rows first."""
    values = gguf.dequantize(tensor.data, tensor.tensor_type)
    return torch.from_numpy(np.array(values)).reshape(*reversed(tensor.shape.tolist()))


def _half_apart(weight, num_heads):
    """A head's rows as Hugging Face has them, of pairs side by side."""
    rows, columns = weight.shape
    pairs = weight.view(num_heads, rows // num_heads // 2, 2, columns)
    return pairs.transpose(1, 2).reshape(rows, columns)


def test_the_language_models_tensors_are_the_merged_weights(adapted_stage, tmp_path):
    files = write_gguf(read_stage(adapted_stage), tmp_path, "float32")
    found, model = _tensors(files.model), load_trained(adapted_stage).model.language_model
    layer = model.model.layers[1]
    expected = {
        "token_embd.weight": model.model.embed_tokens.weight,
        "output.weight": model.lm_head.weight,
        "output_norm.weight": model.model.norm.weight,
        "blk.1.attn_norm.weight": layer.input_layernorm.weight,
        "blk.1.ffn_norm.weight": layer.post_attention_layernorm.weight,
        "blk.1.attn_v.weight": layer.self_attn.v_proj.weight,
        "blk.1.attn_output.weight": layer.self_attn.o_proj.weight,
        "blk.1.ffn_gate.weight": layer.mlp.gate_proj.weight,
        "blk.1.ffn_up.weight": layer.mlp.up_proj.weight,
        "blk.1.ffn_down.weight": layer.mlp.down_proj.weight,
    }
    for name, weight in expected.items():
        torch.testing.assert_close(_values(found[name]), weight.detach(), rtol=1e-6, atol=1e-6)
    for name, weight in (("attn_q", layer.self_attn.q_proj), ("attn_k", layer.self_attn.k_proj)):
        rows = _half_apart(_values(found[f"blk.1.{name}.weight"]), 4)
        torch.testing.assert_close(rows, weight.weight.detach(), rtol=1e-6, atol=1e-6)
    assert len(found) == 3 + 2 * 9


def test_our_own_reader_makes_the_same_model_of_it(byte_level_stage, tmp_path):
    stage = read_stage(byte_level_stage)
    files = write_gguf(stage, tmp_path / "gguf", "float32")
    read = convert_gguf(files.model, tmp_path / "read")
    again = LlamaForCausalLM.from_pretrained(read.folder).state_dict()
    weights = merged_weights(stage)
    sources = [name for name in weights.shapes if name.startswith("language_model.")]
    assert len(sources) == len(again) - 1  # the head is the embeddings
    for name in sources:
        assert torch.equal(again[name.removeprefix("language_model.")], weights.read(name))
    ours, theirs = load_tokenizer(stage.parts.tokenizer), load_tokenizer(read.folder)
    text = "say <|im_end|> in it,  3 हि\n\n 42"
    assert theirs.encode(text) == ours.encode(text)
    assert (theirs.eos_id, theirs.pad_id) == (ours.eos_id, ours.pad_id)
    assert theirs.special("<|im_start|>") == ours.special("<|im_start|>")


def test_sizes_and_roles_are_the_models(finished_stage, tmp_path):
    stage = read_stage(finished_stage)
    fields = _fields(write_gguf(stage, tmp_path, "float16").model)
    tokenizer = load_tokenizer(stage.parts.tokenizer)
    expected = {
        "general.architecture": "llama",
        "general.file_type": gguf.LlamaFileType.MOSTLY_F16,
        "llama.context_length": 256,
        "llama.embedding_length": 48,
        "llama.block_count": 2,
        "llama.feed_forward_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 4,
        "llama.attention.layer_norm_rms_epsilon": pytest.approx(1e-6),
        "llama.rope.freq_base": 10_000.0,
        "llama.rope.dimension_count": 12,
        "llama.vocab_size": tokenizer.vocab_size,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": True,
    }
    assert {name: fields[name] for name in expected} == expected


def test_pieces_keep_their_ids_scores_and_types(finished_stage, tmp_path):
    from sentencepiece import SentencePieceProcessor

    stage = read_stage(finished_stage)
    fields = _fields(write_gguf(stage, tmp_path).model)
    model = SentencePieceProcessor(model_file=str(stage.parts.tokenizer / "tokenizer.model"))
    ids = range(model.get_piece_size())
    assert fields["tokenizer.ggml.tokens"] == [model.id_to_piece(i) for i in ids]
    assert fields["tokenizer.ggml.scores"] == pytest.approx([model.get_score(i) for i in ids])
    types = fields["tokenizer.ggml.token_type"]
    assert types[:3] == [2, 3, 3]  # unknown, control, control
    assert [i for i in ids if types[i] == 6] == [i for i in ids if model.is_byte(i)]
    assert set(types[259:]) == {1}


def test_a_vocabulary_with_spare_rows_is_filled_up(finished_stage, tmp_path):
    stage = read_stage(finished_stage)
    config = json.loads((stage.parts.language_model / "config.json").read_text())
    size = config["vocab_size"] + 4
    folder = tmp_path / "language_model"
    folder.mkdir()
    wider_model = LlamaForCausalLM.from_pretrained(stage.parts.language_model)
    wider_model.resize_token_embeddings(size)
    wider_model.save_pretrained(folder)
    wider = replace(stage, parts=replace(stage.parts, language_model=folder))
    fields = _fields(write_gguf(wider, tmp_path / "gguf").model)
    assert len(fields["tokenizer.ggml.tokens"]) == len(set(fields["tokenizer.ggml.tokens"])) == size
    assert fields["tokenizer.ggml.token_type"][-4:] == [5] * 4
    assert fields["llama.vocab_size"] == size


def test_the_mmproj_holds_the_tower_up_to_its_feature_and_the_projector(finished_stage, tmp_path):
    files = write_gguf(read_stage(finished_stage), tmp_path, "float32", class_row="first")
    found, fields = _tensors(files.mmproj), _fields(files.mmproj)
    model = load_trained(finished_stage).model
    tower = model.vision_tower.model.state_dict()
    names = {
        "v.class_embd": "embeddings.class_embedding",
        "v.patch_embd.weight": "embeddings.patch_embedding.weight",
        "v.position_embd.weight": "embeddings.position_embedding.weight",
        "v.pre_ln.bias": "pre_layrnorm.bias",
        "v.blk.0.attn_q.weight": "encoder.layers.0.self_attn.q_proj.weight",
        "v.blk.0.attn_out.bias": "encoder.layers.0.self_attn.out_proj.bias",
        "v.blk.0.ln2.weight": "encoder.layers.0.layer_norm2.weight",
        "v.blk.0.ffn_up.weight": "encoder.layers.0.mlp.fc1.weight",
        "v.blk.0.ffn_down.weight": "encoder.layers.0.mlp.fc2.weight",
    }
    for name, source in names.items():
        assert torch.equal(_values(found[name]), tower[source]), name
    for name, weight in model.projector.state_dict().items():
        assert torch.equal(_values(found[f"mm.{name}"]), weight)
    # One of two layers, and no normalization after them: the feature is what enters the last one.
    assert len(found) == 5 + 16 + 4
    assert not any(name.startswith(("v.blk.1.", "v.post_ln")) for name in found)
    expected = {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "clip.projector_type": "mlp",
        "clip.has_vision_encoder": True,
        "clip.use_gelu": False,
        "clip.vision.block_count": 1,
        "palo.class_row": "first",
        "clip.vision.feature_layer": [1],
        "clip.vision.image_size": 32,
        "clip.vision.patch_size": 8,
        "clip.vision.embedding_length": 32,
        "clip.vision.projection_dim": 48,
        "clip.vision.attention.head_count": 4,
        "clip.vision.attention.layer_norm_epsilon": pytest.approx(1e-5),
        "clip.vision.image_mean": pytest.approx([0.48145466, 0.4578275, 0.40821073]),
        "clip.vision.image_std": pytest.approx([0.26862954, 0.26130258, 0.27577711]),
    }
    assert {name: fields[name] for name in expected} == expected


def test_a_mobile_projectors_convolutions_are_as_llama_cpp_computes_them(mobile_stage, tmp_path):
    files = write_gguf(read_stage(mobile_stage), tmp_path, "float32")
    found = _tensors(files.mmproj)
    assert _fields(files.mmproj)["clip.projector_type"] == "ldp"
    projector = load_trained(mobile_stage).model.projector.state_dict()
    assert {name for name in found if name.startswith("mm.")} == {
        f"mm.model.{n}" for n in projector
    }
    for name, weight in projector.items():
        one = found[f"mm.model.{name}"]
        is_depthwise = weight.dim() == 4 and weight.shape[-1] == 3
        assert one.tensor_type.name == ("F16" if is_depthwise else "F32")
        values = weight.half().float() if is_depthwise else weight
        assert torch.equal(_values(one).reshape(weight.shape), values)
        assert len(one.shape) != 4 or is_depthwise  # pointwise ones are matrices


def test_the_class_tokens_row_can_come_last(finished_stage, tmp_path):
    def table(row):
        files = write_gguf(read_stage(finished_stage), tmp_path / row, class_row=row)
        return _values(_tensors(files.mmproj)["v.position_embd.weight"])

    tables = [table("first"), table("last")]
    default = write_gguf(read_stage(finished_stage), tmp_path / "default")
    assert _fields(default.mmproj)["palo.class_row"] == "last"
    assert torch.equal(tables[1], torch.cat([tables[0][1:], tables[0][:1]]))


@pytest.mark.parametrize(
    ("dtype", "kind", "tolerance"), [("float16", "F16", 5e-4), ("bfloat16", "BF16", 4e-3)]
)
def test_matrices_have_the_chosen_type_and_vectors_stay(
    finished_stage, tmp_path, dtype, kind, tolerance
):
    stage = read_stage(finished_stage)
    files = write_gguf(stage, tmp_path, dtype)
    found = {**_tensors(files.model), **_tensors(files.mmproj)}
    for name, one in found.items():
        is_matrix = len(one.shape) == 2 and name != "v.position_embd.weight"
        if len(one.shape) < 4:
            assert one.tensor_type.name == (kind if is_matrix else "F32"), name
    weight = merged_weights(stage).read("language_model.lm_head.weight")
    torch.testing.assert_close(_values(found["output.weight"]), weight, rtol=tolerance, atol=1e-5)


def test_blocks_of_eight_bits_come_near_and_short_rows_are_float16(finished_stage, tmp_path):
    stage = read_stage(finished_stage)
    files = write_gguf(stage, tmp_path, "q8_0")
    found = {**_tensors(files.model), **_tensors(files.mmproj)}
    assert found["blk.0.ffn_down.weight"].tensor_type.name == "Q8_0"  # rows of 64
    assert found["blk.0.ffn_up.weight"].tensor_type.name == "F16"  # rows of 48
    weight = merged_weights(stage).read("language_model.model.layers.0.mlp.down_proj.weight")
    step = weight.abs().max() / 127
    assert (_values(found["blk.0.ffn_down.weight"]) - weight).abs().max() <= step * 0.51


@pytest.mark.parametrize("dtype", ["float32", "q8_0"])
def test_the_size_is_known_beforehand_and_reported_as_it_grows(finished_stage, tmp_path, dtype):
    stage, wrote = read_stage(finished_stage), []
    files = write_gguf(stage, tmp_path, dtype, wrote=wrote.append)
    size = files.model.stat().st_size + files.mmproj.stat().st_size
    assert sum(wrote) == gguf_bytes(stage, dtype)
    assert size * 0.9 < sum(wrote) < size if dtype == "float32" else sum(wrote) < size


def test_a_model_that_saw_no_image_has_no_mmproj(finished_stage, tmp_path):
    blind = replace(read_stage(finished_stage), preprocessing=None)
    assert write_gguf(blind, tmp_path).mmproj is None
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


def test_a_captioner_has_no_chat_template(tmp_path):
    stage = read_stage(write_finished_stage(tmp_path, template="plain"))
    assert "tokenizer.chat_template" not in _fields(write_gguf(stage, tmp_path / "gguf").model)
