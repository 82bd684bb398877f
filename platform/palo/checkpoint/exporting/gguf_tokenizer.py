"""A tokenizer and a chat template as GGUF metadata, which llama.cpp tokenizes with itself."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer
from tokenizers.models import BPE

from palo import storage
from palo.checkpoint.exporting.gguf_chat_template import gguf_chat_template
from palo.checkpoint.gguf import PRE_TOKENIZERS
from palo.errors import MismatchError
from palo.text.piece_tokenizer import SentencePieceTokenizer
from palo.text.templates import Control, Slot, Template
from palo.text.tokenizer import TextTokenizer

_BPE_MODEL = 2
# SentencePiece numbers the types of pieces as GGUF does.
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufVocabulary:
    """The tokens of a tokenizer as GGUF has them.

    Attributes:
        model: llama for SentencePiece's BPE, gpt2 for byte-level BPE.
        pre: llama.cpp's name of how text is cut before the merges.
        tokens: Texts of the tokens, by id.
        types: GGUF's types of the tokens.
        scores: Scores of SentencePiece's pieces; empty for the other model.
        merges: Merges of byte-level BPE; empty for the other model.
    """

    model: str
    pre: str
    tokens: list[str]
    types: list[int]
    scores: list[float]
    merges: list[str]


def vocabulary_of(tokenizer: TextTokenizer, size: int) -> GgufVocabulary:
    """Returns the tokens of a tokenizer, filled up to the language model's number of rows.

    Args:
        tokenizer: The tokenizer.
        size: Rows of the language model's embeddings.

    Raises:
        MismatchError: If llama.cpp would give other ids, or there are more tokens than rows.
        StorageError: If its file can't be read.
    """
    path = tokenizer.files[0]
    is_pieces = isinstance(tokenizer, SentencePieceTokenizer)
    found = _of_pieces(path) if is_pieces else _of_json(path, tokenizer.dummy_prefix)
    if len(found.tokens) > size:
        raise MismatchError(
            "the tokenizer has more tokens than the language model has rows",
            seen=f"{len(found.tokens)} in {path}, {size} rows",
            fix="Use the tokenizer that the language model was trained with.",
        )
    spare = size - len(found.tokens)
    found.tokens.extend(f"[PAD{len(found.tokens) + number}]" for number in range(spare))
    found.types.extend([_UNUSED] * spare)
    if found.scores:
        found.scores.extend([-1e4] * spare)
    return found


def add_tokenizer_fields(
    writer: Any,  # noqa: ANN401 - untyped package
    vocabulary: GgufVocabulary,
    tokenizer: TextTokenizer,
    template: Template,
) -> None:
    """Adds a tokenizer and its chat template to a GGUFWriter.

    Args:
        writer: The GGUFWriter.
        vocabulary: The tokens.
        tokenizer: The tokenizer.
        template: The conversation template that the model was trained with.
    """
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.scores:
        writer.add_token_scores(vocabulary.scores)
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)
    if tokenizer.bos_id is not None:
        writer.add_bos_token_id(tokenizer.bos_id)
    writer.add_eos_token_id(tokenizer.eos_id)
    writer.add_pad_token_id(tokenizer.pad_id)
    for piece in template.answer:
        if isinstance(piece, Control):
            writer.add_eot_token_id(tokenizer.special(piece.token))
    writer.add_add_bos_token(Slot.BOS in template.start and tokenizer.bos_id is not None)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(tokenizer.dummy_prefix)
    if not template.caption:
        writer.add_chat_template(
            gguf_chat_template(
                template,
                vocabulary.tokens[tokenizer.eos_id],
                dummy_prefix=tokenizer.dummy_prefix,
            )
        )


def _of_pieces(path: Path) -> GgufVocabulary:
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(storage.read_bytes(path))
    normalizer = proto.normalizer_spec
    faults = [
        text
        for text, holds in (
            ("it is no BPE model", proto.trainer_spec.model_type != _BPE_MODEL),
            ("it changes characters first", bool(normalizer.precompiled_charsmap)),
            ("it takes spaces away", normalizer.remove_extra_whitespaces),
            ("its spaces end words", proto.trainer_spec.treat_whitespace_as_suffix),
        )
        if holds
    ]
    if faults:
        raise _not_exactly(path, "; ".join(faults))
    return GgufVocabulary(
        model="llama",
        pre="default",
        tokens=[piece.piece for piece in proto.pieces],
        types=[piece.type for piece in proto.pieces],
        scores=[piece.score for piece in proto.pieces],
        merges=[],
    )


def _of_json(path: Path, dummy_prefix: bool) -> GgufVocabulary:
    values: dict[str, Any] = json.loads(storage.read_text(path))
    model = values["model"]
    cut = next((name for name, one in _cuts() if one == values.get("pre_tokenizer")), None)
    if model.get("type") != "BPE" or cut is None or values.get("normalizer") or dummy_prefix:
        raise _not_exactly(path, "it is no byte-level BPE that is cut as GPT-2's or SmolLM's")
    ids = dict(model["vocab"])
    added = {token["id"]: token for token in values.get("added_tokens", ())}
    ids |= {token["content"]: number for number, token in added.items()}
    by_id = {number: token for token, number in ids.items()}
    size = max(by_id) + 1
    return GgufVocabulary(
        model="gpt2",
        pre=cut,
        tokens=[by_id.get(number, f"[PAD{number}]") for number in range(size)],
        types=[_type_of(number, by_id, added) for number in range(size)],
        scores=[],
        merges=[one if isinstance(one, str) else " ".join(one) for one in model["merges"]],
    )


def _type_of(number: int, by_id: Mapping[int, str], added: Mapping[int, Any]) -> int:
    if number in added:
        return _CONTROL if added[number].get("special") else _USER_DEFINED
    return _NORMAL if number in by_id else _UNUSED


def _cuts() -> Iterator[tuple[str, object]]:
    """Yields llama.cpp's names of ways to cut, with what tokenizer.json has for each."""
    for name, cut in PRE_TOKENIZERS.items():
        if name != "default":  # the same as gpt-2, which says it
            tokenizer = Tokenizer(BPE())
            tokenizer.pre_tokenizer = cut
            yield name, json.loads(tokenizer.to_str())["pre_tokenizer"]


def _not_exactly(path: Path, seen: str) -> MismatchError:
    return MismatchError(
        "llama.cpp would give this tokenizer's texts other ids",
        seen=f"{path}: {seen}",
        fix="Export it in another format.",
    )
