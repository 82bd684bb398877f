"""Tokenizers of the `tokenizers` package, above all GPT-2 style byte-level BPE as SmolLM2's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from palo.errors import MismatchError
from palo.text.tokenizer_parts import Ids, fingerprint, ids_of, no_control, parse, read, repaired

_FAULTS = (ValueError, RecursionError)


class JsonTokenizer:
    """The tokenizers package on a tokenizer.json, with its roles from tokenizer_config.json.

    Args:
        folder: Folder that holds tokenizer.json and perhaps tokenizer_config.json.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        config_path = folder / "tokenizer_config.json"
        self.files: tuple[Path, ...] = (path, config_path) if config_path.is_file() else (path,)
        text = parse(read(path).decode, ValueError, path)
        # The package raises plain Exception for a file that it can't parse.
        self._tokenizer = parse(lambda: Tokenizer.from_str(text), Exception, path)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # Without this, "<|im_end|>" in a user's text would become the control token.
        self._tokenizer.encode_special_tokens = True
        added = self._tokenizer.get_added_tokens_decoder()
        self._control: dict[str, int] = {
            token.content: i for i, token in added.items() if token.special
        }
        self._control_ids = frozenset(self._control.values())
        self._added: dict[int, bytes] = {i: token.content.encode() for i, token in added.items()}
        self._is_byte_level = '"ByteLevel"' in json.dumps(json.loads(text).get("decoder"))
        self.fingerprint = fingerprint(self.files)
        self.vocab_size: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        first_token = "".join(self._tokenizer.encode("a", add_special_tokens=False).tokens)[:1]
        self.dummy_prefix: bool = first_token in ("▁", "Ġ")
        config = read(config_path) if config_path in self.files else b"{}"
        self._set_roles(parse(lambda: _object(config), _FAULTS, config_path), folder)

    def __reduce__(self) -> tuple[object, ...]:
        # The package's own pickling forgets encode_special_tokens.
        return JsonTokenizer, (self.files[0].parent,)

    def _set_roles(self, config: dict[str, Any], folder: Path) -> None:
        def named(role: str, *usual: str) -> int | None:
            value = config.get(role)
            name = value.get("content") if isinstance(value, dict) else value
            names = (name,) if isinstance(name, str) and name else usual
            return next((self._control[n] for n in names if n in self._control), None)

        eos_id = named("eos_token", "<|im_end|>", "</s>", "<|endoftext|>")
        if eos_id is None:
            raise MismatchError(
                "the tokenizer has no end token",
                seen=folder,
                fix="Name its eos_token in tokenizer_config.json.",
            )
        pad_id = named("pad_token", "<pad>", "<unk>")
        self.bos_id: int | None = named("bos_token", "<s>")
        self.eos_id: int = eos_id
        self.pad_id: int = eos_id if pad_id is None else pad_id

    def encode(self, text: str) -> Ids:
        """See TextTokenizer.

        Args:
            text: Any text.
        """
        try:
            found = self._tokenizer.encode(text, add_special_tokens=False)
        except TypeError:
            found = self._tokenizer.encode(repaired(text), add_special_tokens=False)
        return ids_of(found.ids)

    def decode(self, ids: Sequence[int]) -> str:
        """See TextTokenizer.

        Args:
            ids: Token ids, sentinels (negative) among them.
        """
        text: str = self._tokenizer.decode([i for i in ids if i >= 0 and not self.is_special(i)])
        return text

    def special(self, token: str) -> int:
        """See TextTokenizer.

        Args:
            token: Its name, such as <|im_end|>.
        """
        if token not in self._control:
            raise no_control(token, self.files[0])
        token_id: int = self._control[token]
        return token_id

    def is_special(self, token_id: int) -> bool:
        """See TextTokenizer.

        Args:
            token_id: The id.
        """
        return token_id in self._control_ids

    def token_bytes(self, token_id: int) -> bytes:
        """See TextTokenizer.

        Args:
            token_id: The id.
        """
        if token_id in self._added:
            return self._added[token_id]
        token: str = self._tokenizer.id_to_token(token_id)
        if self._is_byte_level:
            return bytes(BYTE_OF_CHARACTER[character] for character in token)
        if len(token) == 6 and token.startswith("<0x"):
            return bytes((int(token[3:5], 16),))
        return token.replace("▁", " ").encode()


def _object(data: bytes) -> dict[str, Any]:
    values = json.loads(data)
    if not isinstance(values, dict):
        raise ValueError("no object")
    return values


def _byte_of_character() -> dict[str, int]:
    """Returns the bytes behind the characters that byte-level BPE writes them with.

    A byte that is a visible Latin-1 character stands for itself; the others follow from U+0100 on,
    in ascending order.
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = (byte for byte in range(256) if byte not in visible)
    return {chr(byte): byte for byte in visible} | {
        chr(0x100 + index): byte for index, byte in enumerate(hidden)
    }


BYTE_OF_CHARACTER = _byte_of_character()
"""The byte behind each character that byte-level BPE writes one with."""
