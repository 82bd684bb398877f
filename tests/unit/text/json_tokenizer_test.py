import json
import shutil

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, trainers

from palo.errors import MismatchError, StorageError
from palo.text.tokenizer import load_tokenizer


def test_roles_come_from_the_configuration(byte_pairs):
    assert byte_pairs.bos_id == byte_pairs.special("<|im_start|>")
    assert byte_pairs.eos_id == byte_pairs.special("<|im_end|>")
    assert byte_pairs.pad_id == byte_pairs.eos_id
    assert not byte_pairs.dummy_prefix


def test_roles_without_a_configuration_are_the_usual_ones(json_folder, tmp_path):
    shutil.copy(json_folder / "tokenizer.json", tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.bos_id is None
    assert tokenizer.eos_id == tokenizer.pad_id == tokenizer.special("<|im_end|>")
    assert tokenizer.files == (tmp_path / "tokenizer.json",)


def test_a_configuration_that_is_not_json_is_one_clear_error(json_folder, tmp_path):
    shutil.copy(json_folder / "tokenizer.json", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(StorageError, match="tokenizer_config"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_an_end_is_refused(json_folder, tmp_path):
    content = json.loads((json_folder / "tokenizer.json").read_text())
    content["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(MismatchError, match="no end token"):
        load_tokenizer(tmp_path)


def test_truncation_and_padding_of_the_file_are_ignored(json_folder, tmp_path):
    saved = Tokenizer.from_file(str(json_folder / "tokenizer.json"))
    saved.enable_truncation(4)
    saved.enable_padding(length=64)
    saved.save(str(tmp_path / "tokenizer.json"))
    text = "a small red boat lies beside the old bridge"
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert 4 < len(tokenizer.encode(text)) < 64


def test_added_tokens_that_are_text_have_bytes(json_folder, tmp_path):
    saved = Tokenizer.from_file(str(json_folder / "tokenizer.json"))
    saved.add_tokens([AddedToken("🚤 two", special=False)])
    saved.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    ids = tokenizer.encode("a 🚤 two")
    assert b"".join(map(tokenizer.token_bytes, ids)) == "a 🚤 two".encode()
    assert not any(map(tokenizer.is_special, ids))


def test_a_llama_style_file_has_a_dummy_prefix_and_bytes(tmp_path):
    """tokenizer.json of a LLaMA without its tokenizer.model: spaces as ▁, bytes as pieces."""
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    byte_tokens = [f"<0x{value:02X}>" for value in range(256)]
    made.train_from_iterator(
        ["▁a▁small▁boat"],
        trainers.BpeTrainer(special_tokens=["<unk>", "<s>", "</s>"], show_progress=False),
    )
    content = json.loads(made.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {token: len(vocabulary) + index for index, token in enumerate(byte_tokens)}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.dummy_prefix
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, 0)
    ids = tokenizer.encode("a 鼎</s>")
    assert 2 not in ids
    assert b"".join(map(tokenizer.token_bytes, ids)) == " a 鼎</s>".encode()
