"""The tokenizer inside a GGUF file, as the tokenizer.json that it was made from.

transformers' own conversion forgets how a text is cut before byte-level BPE sees it: its ids for a
digit behind two spaces are not the model's.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence

from palo import storage
from palo.errors import MismatchError

_PREFIX = "tokenizer.ggml."
_CONTROL, _USER_DEFINED = 3, 4
_ROLES = MappingProxyType({"eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"})


def _byte_level(*before: PreTokenizer) -> PreTokenizer:
    return Sequence([*before, ByteLevel(add_prefix_space=False, use_regex=True)])


# By the name that llama.cpp gives to a way of cutting; "smollm" sets every digit apart first.
_PRE_TOKENIZERS: Mapping[str, PreTokenizer] = MappingProxyType(
    {
        "default": _byte_level(),
        "gpt-2": _byte_level(),
        "smollm": _byte_level(Digits(individual_digits=True)),
    }
)


def write_tokenizer(fields: Mapping[str, Any], folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json.

    A first token that the file doesn't put before every text is left out of the configuration.

    Args:
        fields: The GGUF file's metadata by key.
        folder: Folder to write to.

    Raises:
        MismatchError: If it is no byte-level BPE tokenizer, or cuts texts in an unknown way.
    """
    kind, cut = fields.get(f"{_PREFIX}model"), fields.get(f"{_PREFIX}pre", "default")
    if kind != "gpt2" or cut not in _PRE_TOKENIZERS:
        raise MismatchError(
            "this GGUF file's tokenizer can't be converted exactly",
            seen=f"model {kind}, pre {cut}",
            fix=f"Choose a file of model gpt2 and pre {', '.join(_PRE_TOKENIZERS)}.",
        )
    tokens: list[str] = fields[f"{_PREFIX}tokens"]
    types: list[int] = fields[f"{_PREFIX}token_type"]
    merges = [tuple(merge.split(" ")) for merge in fields[f"{_PREFIX}merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = _PRE_TOKENIZERS[cut]
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_added(tokens, types, _CONTROL))
    tokenizer.add_tokens(_added(tokens, types, _USER_DEFINED))
    storage.write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    storage.write_json(folder / "tokenizer_config.json", _roles(fields, tokens))


def _added(tokens: list[str], types: list[int], wanted: int) -> list[AddedToken]:
    return [
        AddedToken(token, normalized=False)
        for token, kind in zip(tokens, types, strict=True)
        if kind == wanted
    ]


def _roles(fields: Mapping[str, Any], tokens: list[str]) -> dict[str, object]:
    add_bos = bool(fields.get(f"{_PREFIX}add_bos_token", False))
    names = dict(_ROLES) | ({"bos_token": "bos"} if add_bos else {})
    roles: dict[str, object] = {
        role: tokens[fields[key]]
        for role, name in names.items()
        if (key := f"{_PREFIX}{name}_token_id") in fields
    }
    if template := fields.get("tokenizer.chat_template"):
        roles["chat_template"] = template
    return roles | {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": add_bos}
