"""The SentencePiece tokenizer, called directly, with a cache of words.

Imitations differ from SentencePiece on double and leading spaces, and released LLaVA was trained
with SentencePiece's own ids.

In a BPE model whose pieces never continue after a space, the ids of a word don't depend on its
neighbours: a merge across a space would need a piece with both sides. Words repeat in every
language that puts spaces between them, so most cost a look-up.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

from palo.errors import MismatchError
from palo.text.tokenizer_parts import (
    Ids,
    fingerprint,
    ids_of,
    ids_of_bytes,
    no_control,
    parse,
    read,
    repaired,
)

_SPACE = "\u2581"  # how SentencePiece writes a space
_MAX_WORDS = 100_000
# Chinese and Japanese hardly repeat what stands between two spaces.
_LONGEST_MEAN = 20

_BPE = 2
_CONTROL, _USER_DEFINED = 3, 4
# Gemma's model matches them in any text, so that a user's words could end the user's turn.
_MARKS = frozenset(
    ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
)


def words_are_apart(model: bytes) -> bool:
    """Returns whether words can be tokenized one by one.

    Args:
        model: Content of a tokenizer.model.
    """
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    normalizer = proto.normalizer_spec
    changes = normalizer.precompiled_charsmap or normalizer.remove_extra_whitespaces
    spaced = normalizer.add_dummy_prefix and normalizer.escape_whitespaces
    suffix = proto.trainer_spec.treat_whitespace_as_suffix
    return (
        proto.trainer_spec.model_type == _BPE
        and spaced
        and not (changes or suffix)
        and all(_stays_in_a_word(piece.piece) for piece in proto.pieces)
        and not any(piece.type == _USER_DEFINED for piece in proto.pieces)
    )


def _stays_in_a_word(piece: str) -> bool:
    return _SPACE not in piece[1:] or not piece.strip(_SPACE)


class WordCache:
    """Tokenizes texts by their words.

    Args:
        encode: Tokenizes any text.
    """

    def __init__(self, encode: Callable[[str], Ids]) -> None:
        self._encode = encode
        self._words = _Words(encode)

    def encode(self, text: str) -> Ids:
        """Returns the same ids as `encode` of the whole text.

        Args:
            text: Any text.
        """
        words = text.split(" ")
        if len(text) > _LONGEST_MEAN * len(words) or "" in words or _SPACE in text:
            return self._encode(text)
        return ids_of_bytes(b"".join(map(self._words.__getitem__, words)))


class _Words(dict[str, bytes]):
    """What words become, as bytes: those of a whole text are joined without a look at any id."""

    def __init__(self, encode: Callable[[str], Ids]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, word: str) -> bytes:
        found = self._encode(word).tobytes()
        if len(self) < _MAX_WORDS:
            self[word] = found
        return found


class SentencePieceTokenizer:
    """The sentencepiece package on a bare tokenizer.model, as released LLaVA and PALO use it.

    Args:
        folder: Folder that holds tokenizer.model.

    Raises:
        MismatchError: If it has no end token.
        StorageError: If it can't be read or is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.files: tuple[Path, ...] = (folder / "tokenizer.model",)
        model = read(self.files[0])
        processor = parse(lambda: _load(model), (RuntimeError, ValueError), self.files[0])
        self._processor = processor

        def encode(text: str) -> Ids:
            return ids_of(processor.encode(text))

        self._encode = WordCache(encode).encode if words_are_apart(model) else encode
        self.fingerprint = fingerprint(self.files)
        self.bos_id: int | None = processor.bos_id() if processor.bos_id() >= 0 else None
        if processor.eos_id() < 0:
            raise MismatchError(
                "the tokenizer has no end token",
                seen=self.files[0],
                fix="Train it with an eos_id; answers can't end without one.",
            )
        self.eos_id: int = processor.eos_id()
        # LLaMA's model has no padding piece; LLaVA takes <unk>, which byte fallback never needs.
        self.pad_id: int = processor.pad_id() if processor.pad_id() >= 0 else processor.unk_id()
        self.vocab_size: int = processor.get_piece_size()
        self.dummy_prefix: bool = processor.normalize("a").startswith("▁")

    def __reduce__(self) -> tuple[object, ...]:
        return SentencePieceTokenizer, (self.files[0].parent,)

    def encode(self, text: str) -> Ids:
        """See TextTokenizer.

        Args:
            text: Any text.
        """
        try:
            return self._encode(text)
        except (AttributeError, RuntimeError):  # half a surrogate pair, or no text at all
            return self._encode(repaired(text))

    def decode(self, ids: Sequence[int]) -> str:
        """See TextTokenizer.

        Args:
            ids: Token ids, sentinels (negative) among them.
        """
        text: str = self._processor.decode([i for i in ids if i >= 0 and not self.is_special(i)])
        return text

    def special(self, token: str) -> int:
        """See TextTokenizer.

        Args:
            token: Its name, such as <|im_end|>.
        """
        token_id: int = self._processor.piece_to_id(token)
        if not self._processor.is_control(token_id):
            raise no_control(token, self.files[0])
        return token_id

    def is_special(self, token_id: int) -> bool:
        """See TextTokenizer.

        Args:
            token_id: The id.
        """
        processor = self._processor
        return bool(processor.is_control(token_id) or processor.is_unknown(token_id))

    def token_bytes(self, token_id: int) -> bytes:
        """See TextTokenizer.

        Args:
            token_id: The id.
        """
        piece: str = self._processor.id_to_piece(token_id)
        if self._processor.is_byte(token_id):
            return bytes((int(piece[3:5], 16),))
        return piece.replace("▁", " ").encode()


def _with_control_marks(model: bytes) -> bytes:
    """Makes marks of turns and images control tokens, with their ids: in texts they are words."""
    if not any(mark.encode() in model for mark in _MARKS):
        return model
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    for piece in proto.pieces:
        if piece.piece in _MARKS and piece.type == _USER_DEFINED:
            piece.type = _CONTROL
    changed: bytes = proto.SerializeToString()
    return changed


def _load(model: bytes) -> Any:  # noqa: ANN401 - untyped package
    if not model:
        raise RuntimeError("an empty file is a valid model without any piece")
    processor = SentencePieceProcessor(model_proto=_with_control_marks(model))
    processor.id_to_piece(list(range(processor.get_piece_size())))  # each must be UTF-8
    return processor
