"""The vocabulary of an imported model, and rows of its embeddings that no text reaches.

LLaVA's tools add tokens that stand for images. Our prompts have no token for an image, so the rows
of such a token are never looked at: they are left out. Any other added token is refused, since our
templates don't write it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from palo import storage
from palo.checkpoint.importing.places import TensorPlace
from palo.errors import MismatchError
from palo.text.tokenizer import load_tokenizer

_TABLES = ("language_model.model.embed_tokens.weight", "language_model.lm_head.weight")
_NEVER_WRITTEN = frozenset({"<image>", "<im_patch>", "<pad>", "<image_placeholder>"})
_USUAL = frozenset({"<s>", "</s>", "<unk>"})
_MOST_NAMED = 4

TOKENIZER_FILES = (
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def without_added_rows(
    places: Mapping[str, TensorPlace], folder: Path, *, tokenizer: Path
) -> dict[str, TensorPlace]:
    """Leaves out the rows of tokens that were added for images.

    Args:
        places: Places of a model's tensors by canonical name.
        folder: The folder of its tokenizer as it came, for names of added tokens and messages.
        tokenizer: A folder on a disk with the same files, as they are to be used.

    Raises:
        MismatchError: If other tokens were added, or the tokenizer has more than the model.
    """
    num_tokens = load_tokenizer(tokenizer).vocab_size
    table = places.get(_TABLES[0])
    if table is None or len(table.shape) != 2:  # a fault that is reported with the others
        return dict(places)
    num_rows = table.shape[0]
    if num_rows < num_tokens:
        raise MismatchError(
            f"the tokenizer in {folder} is that of another model",
            seen=f"{num_tokens:,} tokens, but {num_rows:,} embeddings",
            fix="Take all files from one folder.",
        )
    strange = [
        token
        for token, number in _added_tokens(folder)
        if number >= num_tokens and token not in _NEVER_WRITTEN | _USUAL
    ]
    if num_rows > num_tokens and strange:
        raise MismatchError(
            f"{folder} has an extended vocabulary",
            seen=f"{len(strange)} added tokens: {', '.join(strange[:_MOST_NAMED])}",
            fix="No conversation template of ours writes them, so that its prompts would be "
            "others than in its training. Only the tokens "
            f"{', '.join(sorted(_NEVER_WRITTEN))} can be left out.",
        )
    return {
        name: _first_rows(place, num_tokens) if name in _TABLES else place
        for name, place in places.items()
    }


def _first_rows(place: TensorPlace, count: int) -> TensorPlace:
    return replace(place, shape=(min(place.shape[0], count), *place.shape[1:]))


def _added_tokens(folder: Path) -> Iterator[tuple[str, int]]:
    """Yields the tokens that the files of a tokenizer add to its model, with their ids."""
    path = folder / "added_tokens.json"
    if path.is_file() and isinstance(values := storage.read_json(path), dict):
        yield from ((token, number) for token, number in values.items() if _is_id(number))
    path = folder / "tokenizer_config.json"
    if path.is_file() and isinstance(values := storage.read_json(path), dict):
        added = values.get("added_tokens_decoder")
        for number, token in added.items() if isinstance(added, dict) else ():
            if isinstance(token, dict) and str(number).isdecimal():
                yield str(token.get("content")), int(number)
    path = folder / "tokenizer.json"
    if path.is_file() and isinstance(values := storage.read_json(path), dict):
        yield from _of_list(values.get("added_tokens"))


def _of_list(values: object) -> Iterator[tuple[str, int]]:
    for token in values if isinstance(values, list) else ():
        if isinstance(token, dict) and _is_id(token.get("id")):
            yield str(token.get("content")), int(token["id"])


def _is_id(value: Any) -> bool:  # noqa: ANN401 - a JSON value
    return isinstance(value, int) and not isinstance(value, bool) and math.isfinite(value)


def tokenizer_files(folders: Sequence[Path]) -> list[Path]:
    """Returns the files of the first tokenizer that some folders hold.

    Args:
        folders: The folders.

    Raises:
        MismatchError: If none holds one.
    """
    for folder in folders:
        files = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
        if any(path.name in TOKENIZER_FILES[:2] for path in files):
            return files
    raise MismatchError(
        "no tokenizer here",
        seen=", ".join(map(str, folders)),
        fix="Put its tokenizer.model or tokenizer.json there.",
    )
