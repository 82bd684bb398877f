"""Model folders from elsewhere: what runs code, fetches something, or takes all memory."""

import json
import os
import pickle
import struct

import pytest
import torch
from safetensors.torch import save_file
from tests.fixtures.confined import run_confined

from palo.checkpoint.load import merge_adapter
from palo.errors import ConfigError, MismatchError, PaloError, StorageError
from palo.model.folder_guard import read_model_config, require_adapter, shapes_of
from palo.model.lora import LoraSettings, attach_lora
from palo.text.tokenizer import load_tokenizer
from palo.translate.backends.local_worker import LocalModel, reads_and_writes_apart


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


@pytest.fixture
def folder(tmp_path):
    """A tiny model of transformers, without a tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=99,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    path = tmp_path / "model"
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def load(folder, adapter=None):
    return LocalModel(folder, adapter, batch_size=1, max_new_tokens=1)


def test_a_model_as_it_is_written_is_sound(folder):
    assert read_model_config(folder)["model_type"] == "llama"
    assert shapes_of(folder)["model.norm.weight"] == (16,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.safetensors"])
def test_pickled_weights_are_never_read(folder, tmp_path, name):
    weights = folder / "model.safetensors"
    weights.unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(ConfigError):
        load(folder)
    torch.save({"a": Bomb(tmp_path / "ran")}, folder / name)
    with pytest.raises(ConfigError):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_code_of_a_model_is_never_run(folder, tmp_path):
    code = f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n"
    (folder / "code.py").write_text(code)
    auto_map = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    for model_type in ("llama", "unheard-of"):
        change(folder / "config.json", auto_map=auto_map, model_type=model_type)
        for read in (read_model_config, reads_and_writes_apart, load):
            with pytest.raises(PaloError, match="auto_map"):
                read(folder)
    assert not (tmp_path / "ran").exists()


def test_code_of_a_tokenizer_is_never_run(folder, tmp_path):
    code = f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\nclass Tokenizer: pass\n"
    (folder / "code.py").write_text(code)
    config = {"auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}, "tokenizer_class": "X"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError):
        load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "values",
    [
        {"hidden_size": 10**9},
        {"num_hidden_layers": 10**9},
        {"vocab_size": 10**9},
        {"vocab_size": 1 << 22},
        {"intermediate_size": 10**9},
        {"num_labels": 10**9},
        {"max_position_embeddings": 10**400},
        {"rope_theta": float("inf")},
        {"vision_config": {"hidden_size": 10**9}},
        {"text_config": {"hidden_size": 1 << 16, "num_hidden_layers": 1 << 10}},
        {"attn_implementation": "someone/kernels"},
        {"_attn_implementation": "someone/kernels:flash"},
        {"use_kernels": True},
        {"transformers_weights": "../elsewhere.safetensors"},
    ],
)
def test_what_no_model_is_like_is_refused_before_it_takes_memory(folder, values):
    change(folder / "config.json", **values)
    with pytest.raises(MismatchError, match="can be loaded"):
        read_model_config(folder)
    with pytest.raises(ConfigError):
        load(folder)


def test_a_huge_number_takes_no_memory(folder):
    change(folder / "config.json", num_labels=200_000_000)
    code = """
        from pathlib import Path
        from palo.errors import MismatchError
        from palo.model.sizes import read_config
        started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        try:
            read_config(Path(sys.argv[1]))
        except MismatchError:
            print(grown() >> 20)
    """
    ended = run_confined(code, folder, max_bytes=4 << 30)
    assert int(ended.output) < 200


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, "", "[]", "7", '{"model_type": ["llama"]}', "\0"]
)
def test_a_configuration_that_is_none_is_one_clear_error(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ConfigError):
        load(folder)


def test_a_configuration_of_many_megabytes_is_not_parsed(folder):
    change(folder / "config.json", id2label={str(n): "a" * 1000 for n in range(9000)})
    with pytest.raises(MismatchError, match="bytes"):
        read_model_config(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("target", ["/dev/zero", "/etc/hostname", "../other.json"])
def test_links_out_of_the_folder_are_refused(folder, tmp_path, name, target):
    (tmp_path / "other.json").write_text("{}")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)
    with pytest.raises(StorageError, match="not in its folder"):
        read_model_config(folder)
    with pytest.raises(ConfigError):
        load(folder)


def test_a_pipe_is_no_part_of_a_model(folder):
    os.mkfifo(folder / "generation_config.json.new.json")
    with pytest.raises(StorageError, match="not in its folder"):
        read_model_config(folder)


def test_a_snapshot_of_hugging_faces_cache_is_a_model(folder, tmp_path):
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    blobs = tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for path in folder.iterdir():
        path.rename(blobs / path.name)
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    assert read_model_config(snapshot)["model_type"] == "llama"


def _weights(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1",
        struct.pack("<Q", 1 << 62),
        struct.pack("<Q", 1 << 40) + b"{}",
        _weights(b"[" * 100_000),
        _weights(b"nonsense"),
        _weights(b"[]"),
        _weights({"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}),
        _weights({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
        _weights({"a": {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]}}, bytes(4)),
        _weights({"a": 1}),
        _weights({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, bytes(4)),
        _weights({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(400)),
    ],
)
def test_damaged_weights_are_one_clear_error(folder, data):
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(StorageError, match="can't read weights"):
        read_model_config(folder)
    with pytest.raises(ConfigError):
        load(folder)


@pytest.fixture
def model_and_adapter(tiny_model, tmp_path):
    """A model of ours, and an adapter for it."""
    wrapped = attach_lora(tiny_model(), LoraSettings(rank=4))
    wrapped.save_pretrained(tmp_path / "adapter")
    return tiny_model(), tmp_path / "adapter"


def test_an_adapter_as_it_is_written_is_sound(model_and_adapter):
    model, adapter = model_and_adapter
    assert require_adapter(adapter)["r"] == 4
    merge_adapter(model, adapter)


@pytest.mark.parametrize(
    "values",
    [
        {"auto_mapping": {"base_model_class": "A", "parent_library": "antigravity"}},
        {"auto_mapping": "antigravity"},
        {"peft_type": "PREFIX_TUNING"},
        {"r": 10**6},
        {"r": 5},
        {"r": "4"},
        {"rank_pattern": {"q_proj": 10**6}},
        {"rank_pattern": {"(a+)+$": 4}},
        {"alpha_pattern": {"(a+)+$": 4}},
        {"target_modules": r"(.*)*q_proj!"},
        {"exclude_modules": r"(.*)*q_proj!"},
        {"layers_pattern": ["(a+)+$"]},
        {"modules_to_save": "everything"},
        {"init_lora_weights": "pissa"},
        {"loftq_config": {"loftq_bits": 4}},
        {"layer_replication": [[0, 10**6]]},
        {"megatron_config": {"a": 1}},
    ],
)
def test_an_adapter_that_is_more_than_plain_lora_is_refused(model_and_adapter, values):
    model, adapter = model_and_adapter
    change(adapter / "adapter_config.json", **values)
    with pytest.raises(MismatchError, match="can be loaded"):
        merge_adapter(model, adapter)


def test_a_pickled_adapter_is_never_read(model_and_adapter, tmp_path):
    model, adapter = model_and_adapter
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(StorageError, match="safetensors"):
        merge_adapter(model, adapter)
    assert not (tmp_path / "ran").exists()


def test_an_adapters_base_model_is_not_fetched(model_and_adapter, monkeypatch):
    model, adapter = model_and_adapter
    change(adapter / "adapter_config.json", base_model_name_or_path="https://evil.example/model")

    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    merge_adapter(model, adapter)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{}",
        "null",
        '{"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": 1}}',
        "\0" * 1000,
    ],
)
def test_damaged_tokenizers_are_one_clear_error(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(StorageError, match="damaged"):
        load_tokenizer(tmp_path)


@pytest.fixture
def words(tmp_path):
    """A tokenizer of two words."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import WordLevel

    tokenizer = Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a"))
    tokenizer.add_special_tokens([AddedToken("</s>", special=True)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "[]", '{"eos_token": ["</s>"]}', '{"eos_token": {"content": [1]}}']
)
def test_settings_of_tokenizers_are_no_trap(words, text):
    (words / "tokenizer_config.json").write_text(text)
    try:
        assert load_tokenizer(words).eos_id == 2
    except StorageError as error:
        assert "damaged" in error.fact  # noqa: PT017 - one or the other


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer.model"])
def test_a_tokenizer_of_gigabytes_is_not_read(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StorageError, match="more than"):
        load_tokenizer(tmp_path)


def test_a_sentencepiece_model_with_other_bytes_is_read_or_refused(tmp_path):
    from importlib.resources import files

    data = files("palo.scenes.nano_base").joinpath("tokenizer", "tokenizer.model").read_bytes()
    path = tmp_path / "tokenizer.model"
    for place in range(0, len(data), len(data) // 97):
        path.write_bytes(data[:place] + b"\xb0\xff" + data[place + 2 :])
        try:
            load_tokenizer(tmp_path).encode("a b")
        except PaloError as error:
            assert error.fact  # noqa: PT017 - one or the other


def test_weights_written_by_hand_are_read(tmp_path):
    save_file({"a": torch.zeros(2, 3)}, tmp_path / "a.safetensors")
    assert shapes_of(tmp_path) == {"a": (2, 3)}
