"""The SentencePiece tokenizer, called directly.

Readers that imitate it differ from it on double and leading spaces, and released LLaVA was trained
with SentencePiece's own ids.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor

from palo.errors import MismatchError
from palo.text.ids import Ids, ids_of
from palo.text.tokenizer_files import fingerprint, no_control, parse, read, repaired
from palo.text.word_cache import WordCache, words_are_apart


class SentencePieceTokenizer:
    """The sentencepiece package on a bare tokenizer.model, as released LLaVA and PALO use it.

    Args:
        folder: Folder that holds tokenizer.model.
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
        """See TextTokenizer."""
        try:
            return self._encode(text)
        except (AttributeError, RuntimeError):  # half a surrogate pair, or no text at all
            return self._encode(repaired(text))

    def decode(self, ids: Sequence[int]) -> str:
        """See TextTokenizer."""
        text: str = self._processor.decode([i for i in ids if i >= 0 and not self.is_special(i)])
        return text

    def special(self, token: str) -> int:
        """See TextTokenizer."""
        token_id: int = self._processor.piece_to_id(token)
        if not self._processor.is_control(token_id):
            raise no_control(token, self.files[0])
        return token_id

    def is_special(self, token_id: int) -> bool:
        """See TextTokenizer."""
        processor = self._processor
        return bool(processor.is_control(token_id) or processor.is_unknown(token_id))

    def token_bytes(self, token_id: int) -> bytes:
        """See TextTokenizer."""
        piece: str = self._processor.id_to_piece(token_id)
        if self._processor.is_byte(token_id):
            return bytes((int(piece[3:5], 16),))
        return piece.replace("▁", " ").encode()


def _load(model: bytes) -> Any:  # noqa: ANN401 - untyped package
    if not model:
        raise RuntimeError("an empty file is a valid model without any piece")
    processor = SentencePieceProcessor(model_proto=model)
    processor.id_to_piece(list(range(processor.get_piece_size())))  # each must be UTF-8
    return processor
