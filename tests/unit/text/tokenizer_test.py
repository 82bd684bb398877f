import json
import pickle
import shutil
import subprocess
import sys

import pytest

from palo import storage
from palo.errors import MismatchError, StorageError
from palo.text.json_tokenizer import JsonTokenizer
from palo.text.piece_tokenizer import SentencePieceTokenizer
from palo.text.tokenizer import load_tokenizer

MARKUP = ["</s>", "<s>", "<unk>", "<image>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"]
SPACINGS = ["a  b", " a", "a ", "  ", "\n", "a\n\nb", "\ta", "ＡＢＣ　a", "a\u00a0b", "👩🏽‍🚀"]


def test_the_file_decides_the_kind(piece_folder, json_folder, tmp_path):
    assert isinstance(load_tokenizer(piece_folder), SentencePieceTokenizer)
    assert isinstance(load_tokenizer(json_folder), JsonTokenizer)
    shutil.copy(piece_folder / "tokenizer.model", tmp_path)
    shutil.copy(json_folder / "tokenizer.json", tmp_path)
    assert isinstance(load_tokenizer(tmp_path), SentencePieceTokenizer)


@pytest.mark.parametrize("markup", MARKUP)
def test_control_tokens_in_a_text_stay_text(tokenizer, markup):
    for text in (markup, f"a{markup}b", f"{markup}{markup}", f" {markup}\n"):
        ids = tokenizer.encode(text)
        assert not any(tokenizer.is_special(token_id) for token_id in ids)
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("text", SPACINGS)
def test_decode_gives_the_text_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_bytes_of_tokens_are_the_text(tokenizer, sentences):
    prefix = b" " if tokenizer.dummy_prefix else b""
    for text in [*sentences.values(), *SPACINGS, *MARKUP]:
        raw = b"".join(map(tokenizer.token_bytes, tokenizer.encode(text)))
        assert raw == prefix + text.encode()


def test_empty_text_has_no_ids(tokenizer):
    assert not tokenizer.encode("")
    assert tokenizer.decode([]) == ""


def test_decode_skips_what_is_no_text(tokenizer):
    ids = tokenizer.encode("a boat")
    extra = [tokenizer.eos_id, tokenizer.pad_id, -200]
    assert tokenizer.decode([*extra, *ids, *extra]) == "a boat"


def test_a_lone_surrogate_becomes_the_replacement_character(tokenizer):
    assert tokenizer.encode("a\ud800b") == tokenizer.encode("a\ufffdb")


@pytest.mark.parametrize("value", [None, 3])
def test_only_text_is_encoded(tokenizer, value):
    with pytest.raises(TypeError):
        tokenizer.encode(value)


def test_special_gives_control_tokens_only(tokenizer):
    assert tokenizer.is_special(tokenizer.special("<|im_end|>"))
    assert tokenizer.is_special(tokenizer.eos_id)
    for token in ("<|no_such|>", "a", ""):
        with pytest.raises(MismatchError, match="control token"):
            tokenizer.special(token)


def test_ids_lie_inside_the_vocabulary(tokenizer, sentences):
    for text in sentences.values():
        assert max(tokenizer.encode(text)) < tokenizer.vocab_size


def test_pickling_keeps_text_text(tokenizer):
    """The tokenizers package forgets on pickling that control tokens aren't to be matched."""
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.encode("x<|im_end|></s>") == tokenizer.encode("x<|im_end|></s>")
    assert copy.fingerprint == tokenizer.fingerprint


def test_the_fingerprint_follows_the_content(tokenizer, tmp_path):
    assert len(tokenizer.fingerprint) == 16
    assert int(tokenizer.fingerprint, 16) >= 0
    for path in tokenizer.files:
        shutil.copy(path, tmp_path)
    assert load_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint


def test_another_vocabulary_has_another_fingerprint(byte_pairs, tmp_path):
    content = json.loads(byte_pairs.files[0].read_text())
    content["model"]["merges"].pop()
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    shutil.copy(byte_pairs.files[1], tmp_path)
    assert load_tokenizer(tmp_path).fingerprint != byte_pairs.fingerprint


def test_a_folder_without_tokenizer_says_what_it_must_hold(tmp_path):
    with pytest.raises(StorageError, match=r"tokenizer\.model.*tokenizer\.json"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.model", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe not a tokenizer", b"{}", b'{"model": {'])
def test_a_damaged_file_is_one_clear_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        load_tokenizer(tmp_path)


def test_a_file_that_cannot_be_read_is_one_clear_error(piece_folder, monkeypatch):
    def refuse(path, max_bytes):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(storage, "read_regular", refuse)
    with pytest.raises(StorageError, match=r"can't be read: .*tokenizer\.model.*denied"):
        load_tokenizer(piece_folder)


def test_it_loads_neither_torch_nor_ray_nor_transformers():
    code = (
        "import sys, palo.text.encoding, palo.text.preview; "
        "sys.exit(bool({'torch', 'ray', 'transformers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
