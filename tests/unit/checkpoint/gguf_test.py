"""A tiny model written as GGUF by the gguf package itself, and what convert_gguf makes of it."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Dinov2Config, Dinov2Model, LlamaConfig, LlamaForCausalLM

from palo.checkpoint.gguf import convert_gguf
from palo.errors import DataError, MismatchError, ResourceError, StorageError
from palo.model.assemble import assemble
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

gguf = pytest.importorskip("gguf", reason="reading GGUF needs the gguf package (extra mini)")

_CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_MERGES = ["Ġ a", "Ġ Ġ", "i n"]
_TOKENS = _CONTROL + sorted(ByteLevel.alphabet()) + [merge.replace(" ", "") for merge in _MERGES]
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
}


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(_TOKENS),
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


def _interleaved(weight: torch.Tensor, num_heads: int) -> torch.Tensor:
    """A head's rows as GGUF has them: each rotated pair side by side, not half a head apart."""
    rows, columns = weight.shape
    return (
        weight.view(num_heads, 2, rows // num_heads // 2, columns)
        .transpose(1, 2)
        .reshape(rows, columns)
    )


def _tensors(model: LlamaForCausalLM) -> dict[str, np.ndarray]:
    heads = {"q_proj": 6, "k_proj": 2}
    found = {}
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        module = name.removesuffix(".weight")
        for projection, num_heads in heads.items():
            if module.endswith(projection):
                weight = _interleaved(weight, num_heads)
        if module.startswith("model.layers."):
            _, _, layer, inner = module.split(".", 3)
            found[f"blk.{layer}.{_NAMES[inner]}.weight"] = weight.numpy()
        else:
            found[f"{_NAMES[module]}.weight"] = weight.numpy()
    return found


@pytest.fixture
def write(tmp_path: Path, model: LlamaForCausalLM) -> Any:
    def make(name: str = "tiny.gguf", architecture: str = "llama", pre: str = "smollm") -> Path:
        writer = gguf.GGUFWriter(tmp_path / name, architecture)
        config = model.config
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_block_count(config.num_hidden_layers)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count(config.num_attention_heads)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_rope_freq_base(100_000.0)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_vocab_size(len(_TOKENS))
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(_TOKENS)
        writer.add_token_types([3] * len(_CONTROL) + [1] * (len(_TOKENS) - len(_CONTROL)))
        writer.add_token_merges(_MERGES)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_pad_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(False)
        for key, weight in _tensors(model).items():
            writer.add_tensor(key, weight)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return tmp_path / name

    return make


def test_the_converted_model_is_the_same_model(
    write: Any, tmp_path: Path, model: LlamaForCausalLM
) -> None:
    converted = convert_gguf(write(), tmp_path / "out")
    again = LlamaForCausalLM.from_pretrained(converted.folder)
    assert converted.num_parameters == sum(p.numel() for p in model.parameters())
    assert all(again.state_dict()[name].equal(w) for name, w in model.state_dict().items())
    ids = torch.tensor([[1, 40, 50, 60, 70, 2]])
    with torch.no_grad():
        assert torch.equal(again.eval()(ids).logits, model(ids).logits)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config


def test_the_tokenizer_knows_control_tokens_only_by_name(write: Any, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(convert_gguf(write(), tmp_path / "out").folder)
    assert [tokenizer.special(token) for token in _CONTROL] == [0, 1, 2]
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (None, 2, 2)
    text = "say <|im_end|> in it,  3 हि\n\n 42"
    ids = tokenizer.encode(text)
    assert not set(ids) & {0, 1, 2}
    assert tokenizer.decode(ids) == text
    prompt = encode_prompt(
        Conversation((Turn("user", "a <|im_end|> in", 1),)), TEMPLATES["chatml"], tokenizer
    )
    assert prompt.count(tokenizer.special("<|im_end|>")) == 2  # the system's and the user's


def test_digits_are_cut_off_before_the_spaces_are_shared_out(write: Any, tmp_path: Path) -> None:
    cut = {
        pre: load_tokenizer(convert_gguf(write(f"{pre}.gguf", pre=pre), tmp_path / pre).folder)
        for pre in ("smollm", "gpt-2")
    }
    pieces = {name: [t.token_bytes(i) for i in t.encode("a  3")] for name, t in cut.items()}
    assert pieces == {"smollm": [b"a", b"  ", b"3"], "gpt-2": [b"a", b" ", b" ", b"3"]}


def test_assemble_takes_the_folder_in_the_chosen_type(write: Any, tmp_path: Path) -> None:
    tower = Dinov2Config(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=4, image_size=28, patch_size=14
    )
    Dinov2Model(tower).save_pretrained(tmp_path / "tower")
    converted = convert_gguf(write(), tmp_path / "out", "bfloat16")
    palo = assemble(tmp_path / "tower", converted.folder)
    assert palo.config.text_config.vocab_size == len(_TOKENS)
    stored = json.loads((converted.folder / "config.json").read_text())["dtype"]
    assert stored == "bfloat16"


def test_a_second_call_finds_the_first_ones_work(write: Any, tmp_path: Path) -> None:
    first = convert_gguf(write(), tmp_path / "out")
    before = (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns
    second = convert_gguf(tmp_path / "tiny.gguf", tmp_path / "out")
    assert (first.was_there, second.was_there) == (False, True)
    assert second.num_parameters == first.num_parameters
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns == before
    assert not convert_gguf(tmp_path / "tiny.gguf", tmp_path / "out", "bfloat16").was_there


def test_a_failure_leaves_the_old_folder_and_no_rest(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write()
    convert_gguf(source, tmp_path / "out")

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("palo.checkpoint.tensors.save_file", full)
    with pytest.raises(StorageError, match="Free some disk space"):
        convert_gguf(source, tmp_path / "out", "bfloat16")
    assert convert_gguf(source, tmp_path / "out").was_there
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "tiny.gguf"]


def test_weights_that_are_read_back_differently_are_refused(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palo.checkpoint.gguf.load_file", lambda path: {})
    with pytest.raises(StorageError, match="not what was read back"):
        convert_gguf(write(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_left_alone(write: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match="holds something else"):
        convert_gguf(write(), tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_what_is_no_whole_gguf_file_is_refused(write: Any, tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(DataError, match="not a GGUF file"):
        convert_gguf(tmp_path / "page.gguf", tmp_path / "out")
    whole = write().read_bytes()
    for share in (0.002, 0.2, 0.6, 0.99):
        (tmp_path / "part.gguf").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match="damaged or cut off"):
            convert_gguf(tmp_path / "part.gguf", tmp_path / "out")
    with pytest.raises(StorageError, match="Check the path"):
        convert_gguf(tmp_path / "none.gguf", tmp_path / "out")


def test_other_architectures_and_tokenizers_are_refused(write: Any, tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match=r"general\.architecture phi3"):
        convert_gguf(write(architecture="phi3"), tmp_path / "out")
    with pytest.raises(MismatchError, match="pre llama-bpe"):
        convert_gguf(write(pre="llama-bpe"), tmp_path / "out")


def test_without_the_gguf_package_the_error_names_the_extra(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, real = write(), importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "gguf" else real(name, package)

    monkeypatch.setattr("importlib.util.find_spec", without)
    with pytest.raises(ResourceError, match=r"pip install 'palo\[mini\]'"):
        convert_gguf(source, tmp_path / "out")
