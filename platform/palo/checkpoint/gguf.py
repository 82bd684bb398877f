"""Conversion of a GGUF file of a Llama-architecture model to a folder in Hugging Face's format.

transformers reads GGUF only together with the file itself, slowly, and leaves the file's name in
what it saves. Here a file is converted once, checked, and read like any other model afterwards.

The tokenizer is rebuilt as the tokenizer.json that it was made from. transformers' own conversion
loses how a text is split before byte-level BPE: its ids for a digit after two spaces are wrong.
"""

import importlib.util
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer, decoders
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence
from transformers import LlamaConfig, LlamaForCausalLM

from palo import storage
from palo.checkpoint.tensors import write_tensors
from palo.errors import DataError, MismatchError, ResourceError, StorageError
from palo.model.library_noise import without_progress_bars

_PREFIX = "tokenizer.ggml."
_CONTROL, _USER_DEFINED = 3, 4
_ROLES = MappingProxyType({"eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"})
FORMAT_VERSION = 1
_MAGIC = b"GGUF"
_FINISHED = "converted.json"
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# What transformers notes about the file, and a converted folder has no more to do with.
_OF_THE_FILE = ("quantization_config", "_model_name_or_path", "dtype", "transformers_version")
_TIED = "lm_head.weight"


def _byte_level(*before: PreTokenizer) -> PreTokenizer:
    return Sequence([*before, ByteLevel(add_prefix_space=False, use_regex=True)])


# By the name that llama.cpp gives to a way of cutting; "smollm" sets every digit apart first.
PRE_TOKENIZERS: Mapping[str, PreTokenizer] = MappingProxyType(
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
    if kind != "gpt2" or cut not in PRE_TOKENIZERS:
        raise MismatchError(
            "this GGUF file's tokenizer can't be converted exactly",
            seen=f"model {kind}, pre {cut}",
            fix=f"Choose a file of model gpt2 and pre {', '.join(PRE_TOKENIZERS)}.",
        )
    tokens: list[str] = fields[f"{_PREFIX}tokens"]
    types: list[int] = fields[f"{_PREFIX}token_type"]
    merges = [tuple(merge.split(" ")) for merge in fields[f"{_PREFIX}merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[cut]
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertedModel:
    """A folder that a GGUF file was converted to.

    Attributes:
        folder: Holds config.json, model.safetensors, tokenizer.json and tokenizer_config.json.
        num_parameters: Parameters of the model, shared ones counted once.
        was_there: Whether an earlier call had made it already.
    """

    folder: Path
    num_parameters: int
    was_there: bool


def convert_gguf(
    gguf: Path, output: Path, dtype: Literal["float32", "bfloat16"] = "float32"
) -> ConvertedModel:
    """Converts a GGUF file, weights and tokenizer, or finds that it was done before.

    The folder appears only when it is whole and its weights were read back. A folder that was
    converted from another file or to another type is replaced; any other folder is left alone.

    Args:
        gguf: A Llama-architecture model with a byte-level BPE tokenizer, quantized or not.
        output: Folder to write.
        dtype: Type of the written weights.

    Raises:
        DataError: If the file is not GGUF or is cut off.
        MismatchError: If its architecture or tokenizer is of another kind.
        ResourceError: If the gguf package is missing.
        StorageError: If a file can't be read or written, or the folder holds something else.
    """
    _require_magic(gguf)
    stamp = {"version": FORMAT_VERSION, "dtype": dtype, "sha256": storage.file_hash(gguf)}
    if (output / _FINISHED).is_file():
        done = storage.read_json(output / _FINISHED)
        if all(done.get(name) == value for name, value in stamp.items()):
            return ConvertedModel(
                folder=output, num_parameters=done["num_parameters"], was_there=True
            )
    elif output.is_dir() and any(output.iterdir()):
        raise StorageError(
            "the output folder holds something else",
            seen=output,
            fix="Choose a new folder, or remove this one.",
        )
    fields = _read_fields(gguf)
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        storage.ensure_folder(partial)
        write_tokenizer(fields, partial)
        num_parameters = _write_model(gguf, partial, _DTYPES[dtype])
        done = stamp | {"num_parameters": num_parameters, "source": gguf.name}
        storage.write_json(partial / _FINISHED, done)
        with storage.wrap_os_errors("write", output):
            if output.exists():
                shutil.rmtree(output)
            partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ConvertedModel(folder=output, num_parameters=num_parameters, was_there=False)


def _require_magic(gguf: Path) -> None:
    with storage.wrap_os_errors("read", gguf), gguf.open("rb") as file:
        head = file.read(len(_MAGIC))
    if head != _MAGIC:
        raise DataError(f"{gguf} is not a GGUF file", seen=f"it begins with {head!r}")


def _read_fields(gguf: Path) -> Mapping[str, Any]:
    """Returns the metadata of a Llama-architecture GGUF file by key."""
    if importlib.util.find_spec("gguf") is None:
        raise ResourceError(
            "reading GGUF needs the gguf package", fix="Install it: pip install 'palo[mini]'."
        )
    from gguf import GGUFReader

    try:
        fields = {name: field.contents() for name, field in GGUFReader(gguf).fields.items()}
    except (IndexError, ValueError) as error:  # how numpy fails past the end of a file
        raise DataError(
            f"{gguf} is damaged or cut off", seen=error, fix="Download it again."
        ) from error
    architecture = fields.get("general.architecture")
    if architecture != "llama":
        raise MismatchError(
            f"{gguf} holds no Llama-architecture language model",
            seen=f"general.architecture {architecture}",
            fix="Choose a file whose general.architecture is llama.",
        )
    return fields


def _write_model(gguf: Path, folder: Path, dtype: torch.dtype) -> int:
    """Writes config.json and model.safetensors, reads them back, and counts the parameters."""
    with without_progress_bars():
        model, report = LlamaForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.float32,
            output_loading_info=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    if report["missing_keys"] or report["unexpected_keys"]:
        keys = sorted(report["missing_keys"] | report["unexpected_keys"])
        raise MismatchError(
            f"the weights in {gguf} are not those of its configuration", seen=", ".join(keys[:3])
        )
    values = {k: v for k, v in model.config.to_dict().items() if k not in _OF_THE_FILE}
    config = LlamaConfig(**(values | {"architectures": ["LlamaForCausalLM"], "dtype": dtype}))
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        tensors.pop(_TIED, None)
    with storage.wrap_os_errors("write", folder):
        config.save_pretrained(folder)
        model.generation_config.save_pretrained(folder)
    write_tensors(folder / "model.safetensors", tensors)
    _require_same(tensors, folder)
    return sum(tensor.numel() for tensor in tensors.values())


def _require_same(tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    written = load_file(folder / "model.safetensors")
    wrong = sorted(tensors.keys() ^ written.keys())
    wrong += [
        name for name in tensors.keys() & written.keys() if not tensors[name].equal(written[name])
    ]
    if wrong:
        raise StorageError(
            "what was written is not what was read back",
            seen=", ".join(wrong[:3]),
            fix="Check the disk and convert again.",
        )
