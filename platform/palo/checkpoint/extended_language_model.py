"""A language model with rows for new tokens, as a folder that stands wherever a language model may.

New rows of the embeddings and of the output head begin as the mean of the old rows of what the
token was before. All other weights are copied as they are.

Source: Gee et al., Fast Vocabulary Transfer for Language Model Compression (arXiv 2402.09977),
section 3.1.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from palo import storage
from palo.checkpoint.exporting.licences import licence_of
from palo.checkpoint.exporting.shards import TensorSource, write_shards
from palo.errors import MismatchError
from palo.model.assemble import PART_SUFFIXES, is_spare_weight
from palo.model.folder_guard import read_model_config, shapes_of
from palo.model.new_token_names import FIRST_NEW_ID

_EMBEDDINGS, _HEAD = "model.embed_tokens.weight", "lm_head.weight"
_COPIED = ("generation_config.json",)


def write_extended(
    language_model: Path, first_id: int, old_ids: Sequence[Sequence[int]], output: Path
) -> int:
    """Writes a language model with rows for new tokens, one tensor in memory at a time.

    Rows that the model has behind its tokenizer's ids are taken for the new tokens first.

    Args:
        language_model: Its folder, with safetensors.
        first_id: The first new id.
        old_ids: What each new token was before, in the order of the new ids.
        output: Folder to write; config.json comes last.

    Returns:
        The rows of its embeddings now.

    Raises:
        MismatchError: If it has fewer rows than the tokenizer had ids, or its vocabulary was
            extended before.
        StorageError: If a file can't be read or written.
    """
    values = read_model_config(language_model)
    near = storage.near_copy(language_model, PART_SUFFIXES)
    places = {
        name: path
        for path in sorted(near.glob("*.safetensors"))
        for name in shapes_of(near, path.name)
        if not is_spare_weight(name)
    }
    _require_fit(language_model, values, places, first_id)
    if values.get("tie_word_embeddings"):
        places.pop(_HEAD, None)
    shapes = shapes_of(near)
    rows = max(shapes[_EMBEDDINGS][0], first_id + len(old_ids))
    sources = {
        name: _extended(path, name, shapes[name], first_id, old_ids)
        if name in (_EMBEDDINGS, _HEAD)
        else TensorSource(shape=shapes[name], read=partial(_read, path, name))
        for name, path in sorted(places.items())
    }
    write_shards(output, sources, _dtype(places[_EMBEDDINGS], _EMBEDDINGS))
    for path in (*(near / name for name in _COPIED), *licence_of(language_model).files):
        if path.is_file():
            storage.write_bytes(output / path.name, storage.read_bytes(path))
    changed = {"vocab_size": rows, FIRST_NEW_ID: first_id}
    storage.write_json(output / "config.json", {**values, **changed})
    return rows


def _require_fit(
    folder: Path, values: Mapping[str, object], places: Mapping[str, Path], first_id: int
) -> None:
    if values.get("model_type") != "llama" or _EMBEDDINGS not in places:
        raise MismatchError(
            "this is no language model of Llama's architecture",
            seen=f"{folder}: model_type {values.get('model_type')}",
            fix="Name the folder of one, in safetensors.",
        )
    if FIRST_NEW_ID in values:
        raise MismatchError(
            "this language model's vocabulary was extended before",
            seen=f"{folder}, from id {values[FIRST_NEW_ID]} on",
            fix="Extend the model that it was made of, for all languages at once.",
        )
    size = values.get("vocab_size")
    if not isinstance(size, int) or size < first_id:
        raise MismatchError(
            "the tokenizer has more tokens than the language model",
            seen=f"{first_id}, the model {size}",
            fix="Use the tokenizer that belongs to the language model.",
        )


def _extended(
    path: Path,
    name: str,
    shape: tuple[int, ...],
    first_id: int,
    old_ids: Sequence[Sequence[int]],
) -> TensorSource:
    rows = max(shape[0], first_id + len(old_ids))

    def read() -> Tensor:
        return extended_table(_read(path, name), first_id, old_ids)

    return TensorSource(shape=(rows, *shape[1:]), read=read)


def extended_table(table: Tensor, first_id: int, old_ids: Sequence[Sequence[int]]) -> Tensor:
    """Returns a table with a row for each new token: the mean of the rows of its old pieces.

    Args:
        table: (R, H) floats; rows behind those of new tokens stay.
        first_id: The first new id, at most R.
        old_ids: What each new token was before.

    Returns:
        (max(R, first_id + new tokens), H) floats of the same type.
    """
    lengths = torch.tensor([len(ids) for ids in old_ids])
    flat = torch.tensor([one for ids in old_ids for one in ids], dtype=torch.int64)
    starts = lengths.cumsum(0) - lengths
    means = torch.nn.functional.embedding_bag(flat, table.float(), starts, mode="mean")
    behind = table[first_id + len(old_ids) :]
    return torch.cat([table[:first_id], means.to(table.dtype), behind])


def _read(path: Path, name: str) -> Tensor:
    with safe_open(path, "pt") as file:
        tensor: Tensor = file.get_tensor(name)
    return tensor


def _dtype(path: Path, name: str) -> torch.dtype:
    return _read(path, name).dtype
