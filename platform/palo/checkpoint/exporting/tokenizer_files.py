"""A tokenizer as a tokenizer.json that any library reads, with ids equal to ours.

SentencePiece merges the pair with the best score, of equal ones the leftmost. The tokenizers
package merges the pair that stands first in a list, of equal ones the leftmost. So the list is that
of all pairs that make a piece, sorted by the piece's score. All pieces of spaces alone have one
score in LLaMA's model, the worst: among these a longer left half comes first, which lets a run of
spaces grow from its left end, as in SentencePiece. transformers' own conversion sorts by id, and
differs on double spaces.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, normalizers
from tokenizers.models import BPE

from palo import storage
from palo.errors import MismatchError
from palo.text.piece_tokenizer import SentencePieceTokenizer, words_are_apart
from palo.text.tokenizer import TextTokenizer

IMAGE_TOKEN, PAD_TOKEN, _UNKNOWN_TOKEN = "<image>", "<pad>", "<unk>"
_SPACE = "\u2581"
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenTokenizer:
    """What a model must know of the tokenizer that was written beside it.

    Attributes:
        image_id: Id of the token that stands for an image's place.
        pad_id: Id that fills up.
        vocab_size: Number of ids, both of these included.
    """

    image_id: int
    pad_id: int
    vocab_size: int


def write_tokenizer_files(
    tokenizer: TextTokenizer, folder: Path, max_length: int
) -> WrittenTokenizer:
    """Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json.

    `<image>` and `<pad>` are added where they are missing. No first token is put before a text:
    the chat template writes it, so that every program gives the model exactly one.

    Args:
        tokenizer: The model's tokenizer.
        folder: Where to write.
        max_length: Most tokens that the model takes.

    Raises:
        MismatchError: If no tokenizer.json can have its ids.
        StorageError: If a file can't be read or written.
    """
    is_pieces = isinstance(tokenizer, SentencePieceTokenizer)
    made = _of_pieces(tokenizer.files[0]) if is_pieces else _of_json(tokenizer.files[0])
    special = [
        AddedToken(name, normalized=False, special=True) for name in (IMAGE_TOKEN, PAD_TOKEN)
    ]
    made.add_special_tokens(special)
    if is_pieces:  # for programs that read SentencePiece's own file
        storage.write_bytes(folder / "tokenizer.model", storage.read_bytes(tokenizer.files[0]))
    storage.write_text(folder / "tokenizer.json", made.to_str(pretty=True))
    roles = {"eos_token": made.id_to_token(tokenizer.eos_id), "pad_token": PAD_TOKEN}
    if tokenizer.bos_id is not None:
        roles["bos_token"] = made.id_to_token(tokenizer.bos_id)
    if is_pieces and made.token_to_id(_UNKNOWN_TOKEN) is not None:
        roles["unk_token"] = _UNKNOWN_TOKEN
    storage.write_json(folder / "special_tokens_map.json", roles)
    settings = roles | {
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "extra_special_tokens": {"image_token": IMAGE_TOKEN},
        "image_token": IMAGE_TOKEN,
        "legacy": True,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": max_length,
        "padding_side": "left",
        "processor_class": "LlavaProcessor",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    storage.write_json(folder / "tokenizer_config.json", settings)
    return WrittenTokenizer(
        image_id=_id_of(made, IMAGE_TOKEN),
        pad_id=_id_of(made, PAD_TOKEN),
        vocab_size=made.get_vocab_size(with_added_tokens=True),
    )


def _id_of(made: Tokenizer, token: str) -> int:
    found: int | None = made.token_to_id(token)
    assert found is not None
    return found


def _of_pieces(path: Path) -> Tokenizer:
    """Builds a byte-fallback BPE of a SentencePiece model like LLaMA's."""
    content = storage.read_bytes(path)
    if not words_are_apart(content):
        raise MismatchError(
            "this tokenizer can't be written for other programs with equal ids",
            seen=f"{path} is no BPE model that leaves text as it is",
            fix="Export with --to palo, which keeps the file itself.",
        )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(content)
    vocabulary = {piece.piece: index for index, piece in enumerate(proto.pieces)}
    unknown = next(piece.piece for piece in proto.pieces if piece.type == _UNKNOWN)
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == _NORMAL}
    made = Tokenizer(
        BPE(
            vocab=vocabulary,
            merges=_merges(scores),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace(_SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    made.add_special_tokens(
        [
            AddedToken(piece.piece, normalized=False, special=True)
            for piece in proto.pieces
            if piece.type in (_UNKNOWN, _CONTROL)
        ]
    )
    return made


def _merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    def order(pair: tuple[str, str]) -> tuple[float, int]:
        return -scores["".join(pair)], -len(pair[0])

    return sorted((pair for piece in scores for pair in _halves(piece, scores)), key=order)


def _halves(piece: str, scores: dict[str, float]) -> Iterator[tuple[str, str]]:
    for place in range(1, len(piece)):
        if piece[:place] in scores and piece[place:] in scores:
            yield piece[:place], piece[place:]


def _of_json(path: Path) -> Tokenizer:
    """Reads a tokenizer.json, and takes away what it puts around a text."""
    values: dict[str, Any] = json.loads(storage.read_text(path))
    if '"TemplateProcessing"' in json.dumps(values.get("post_processor")):
        values["post_processor"] = None
    values["truncation"] = values["padding"] = None
    return Tokenizer.from_str(json.dumps(values))
