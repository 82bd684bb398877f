"""Tokenizers behind one protocol: SentencePiece itself, or the `tokenizers` package.

Both turn text into ids of text only: `</s>`, `<image>` or `<|im_end|>` inside a text are just
characters. Control tokens come from `special` alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from palo import storage
from palo.errors import StorageError
from palo.text.json_tokenizer import JsonTokenizer
from palo.text.piece_tokenizer import SentencePieceTokenizer
from palo.text.tokenizer_parts import Ids

_SUFFIXES = (".json", ".model", ".txt")


class TextTokenizer(Protocol):
    """A tokenizer as encoding, decoding and previewing need it.

    Attributes:
        bos_id: Id of the token before every sample; None where it has none.
        eos_id: Id of the token that ends an answer.
        pad_id: Id for filling up; never a label, and masked by position rather than by value.
        vocab_size: Number of ids.
        fingerprint: 16 hexadecimal digits that name its files' content.
        files: Its files, for copying beside a model.
        dummy_prefix: Whether `encode` itself puts a space before every text.
    """

    bos_id: int | None
    eos_id: int
    pad_id: int
    vocab_size: int
    fingerprint: str
    files: tuple[Path, ...]
    dummy_prefix: bool

    def __hash__(self) -> int:
        """Returns a hash, since encoders are kept by tokenizer."""

    def encode(self, text: str) -> Ids:
        """Returns the ids of a text, never a control token among them.

        A lone surrogate, which is no character, becomes U+FFFD.

        Args:
            text: Any text.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of ids; control tokens, image sentinels and padding give no text.

        Args:
            ids: Token ids, sentinels (negative) among them.
        """

    def special(self, token: str) -> int:
        """Returns the id of a control token.

        Args:
            token: Its name, such as <|im_end|>.

        Raises:
            MismatchError: If the tokenizer has no control token of this name.
        """

    def is_special(self, token_id: int) -> bool:
        """Returns whether an id is a control token rather than text.

        Args:
            token_id: The id.
        """

    def token_bytes(self, token_id: int) -> bytes:
        """Returns the UTF-8 bytes that a token stands for, which may be part of a character.

        Args:
            token_id: The id.
        """


def load_tokenizer(folder: Path) -> TextTokenizer:
    """Loads the tokenizer of a folder: tokenizer.model if it is there, else tokenizer.json.

    Args:
        folder: Folder of a tokenizer or of a model; of one on S3 this machine keeps a copy.

    Raises:
        StorageError: If the folder has neither file, or it can't be read.
    """
    near = storage.near_copy(folder, _SUFFIXES)
    if (near / "tokenizer.model").is_file():
        return SentencePieceTokenizer(near)
    if (near / "tokenizer.json").is_file():
        return JsonTokenizer(near)
    raise StorageError(
        "no tokenizer in this folder",
        seen=folder,
        fix="It must hold tokenizer.model (SentencePiece) or tokenizer.json.",
    )
