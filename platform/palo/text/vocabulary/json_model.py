"""A tokenizer.json that takes more pieces behind those that it has.

Its merges stand in a list, the first of which comes first; new ones go to the end. Two kinds are
extended: pieces of characters with byte fallback, as of LLaMA, and pieces of bytes, as of GPT-2.

A piece of bytes may be part of a character. New ones begin where a character begins, and hold
enough of it to say that it is one of the script: no text without the script has them.

Patterns that split words take marks for no letters, so that a word of an Indic script falls apart
at each vowel sign. The marks of the new scripts become letters there.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from palo import storage
from palo.errors import MismatchError
from palo.text.json_tokenizer import BYTE_OF_CHARACTER, JsonTokenizer
from palo.text.scripts import letters_by_script
from palo.text.vocabulary.learning import LearnedPiece, Pair, merge_all
from palo.text.vocabulary.runs import SPACE

_GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LETTERS = r"\p{L}"
_MOST_LETTERS, _MOST_BYTES = 16, 48
_CHARACTER_OF_BYTE = {byte: character for character, byte in BYTE_OF_CHARACTER.items()}
_MARKED = range(0x300, 0x3400)  # code points among which scripts with marks lie


class ListedMerges:
    """Merges in their order.

    Args:
        pairs: The merges, the first of which comes first.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._ranks = {pair: rank for rank, pair in enumerate(pairs)}

    def score(self, left: str, right: str) -> float | None:
        """See Merges.

        Args:
            left: A part of a word.
            right: The part behind it.
        """
        rank = self._ranks.get((left, right))
        return None if rank is None else -rank

    def add(self, piece: str, pairs: Sequence[Pair]) -> None:
        """See Merges.

        Args:
            piece: The piece.
            pairs: The neighbours that were seen to make it.
        """
        del piece
        for pair in pairs:
            self._ranks.setdefault(pair, len(self._ranks))


class JsonModel:
    """A tokenizer.json and the pieces that it gets.

    Args:
        tokenizer: The tokenizer as it is.
        scripts: The scripts that get pieces, as ISO 15924 codes.

    Attributes:
        first_id: Id of the first new piece.
        merges: Old and new merges.

    Raises:
        MismatchError: If it isn't a BPE model of one of both kinds.
    """

    def __init__(self, tokenizer: JsonTokenizer, scripts: Sequence[str]) -> None:
        self._files = tokenizer.files
        self._scripts = tuple(scripts)
        self._values: dict[str, Any] = json.loads(storage.read_text(tokenizer.files[0]))
        model = self._values["model"]
        self._of_bytes = '"ByteLevel"' in json.dumps(self._values.get("decoder"))
        self._vocabulary: dict[str, int] = dict(model.get("vocab", {}))
        added = {one["content"]: one["id"] for one in self._values.get("added_tokens", ())}
        self.first_id = tokenizer.vocab_size
        faults = self._faults(model, {*self._vocabulary.values(), *added.values()})
        if faults:
            raise MismatchError(
                "this tokenizer can't take new pieces with all its old ids kept",
                seen=f"{tokenizer.files[0]}: {', '.join(faults)}",
                fix="Use a model whose tokenizer is BPE with byte fallback or of bytes.",
            )
        # The package gives control tokens new ids behind the vocabulary, unless they are in it.
        self._vocabulary |= added
        pairs = [_pair(one) for one in model["merges"]]
        self.merges = ListedMerges(pairs)
        self._old = ListedMerges(pairs)
        self._old_vocabulary = dict(self._vocabulary)

    def _faults(self, model: Mapping[str, Any], ids: set[int]) -> list[str]:
        faults = []
        if model.get("type") != "BPE":
            faults.append(f"its model is {model.get('type')}")
        elif not (self._of_bytes or model.get("byte_fallback")):
            faults.append("it has no pieces for single bytes")
        if model.get("ignore_merges"):
            faults.append("it takes whole words without merges")
        if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
            faults.append("it marks the parts of words")
        if ids != set(range(self.first_id)):
            faults.append("its ids have gaps")
        return faults

    def split(self, run: str) -> tuple[str, ...]:
        """Returns the parts of a run of letters, as old and new pieces make them.

        Args:
            run: The run, with the mark of a space before it where one is.
        """
        return tuple(merge_all(list(self._written(run)), self.merges))

    def _written(self, run: str) -> str:
        """Returns a run as the vocabulary writes it."""
        if not self._of_bytes:
            return run
        return "".join(_CHARACTER_OF_BYTE[byte] for byte in run.replace(SPACE, " ").encode())

    def may_add(self, piece: str) -> bool:
        """Returns whether neighbouring parts of runs may become a piece.

        Args:
            piece: The parts, joined.
        """
        if piece in self._vocabulary:
            return False
        if not self._of_bytes:
            return len(piece.removeprefix(SPACE)) <= _MOST_LETTERS
        data = bytes(BYTE_OF_CHARACTER[character] for character in piece)
        return len(data) <= _MOST_BYTES and self._is_of_script(data.removeprefix(b" "))

    def _is_of_script(self, data: bytes) -> bool:
        """Returns whether bytes begin a character that can only be one of the scripts."""
        found = [_letter_scripts(start) for start in _starts(data)]
        return any(scripts and scripts <= set(self._scripts) for scripts in found)

    def add_character(self, character: str) -> LearnedPiece | None:
        """Makes a character a piece, unless it is one or one merge can't make it.

        Args:
            character: The character.
        """
        written = self._written(character)
        if written in self._vocabulary:
            return None
        if not self._of_bytes:
            self._vocabulary[written] = -1
            return LearnedPiece(written, ())
        parts = self.split(character)
        if len(parts) != 2 or not self.may_add(written):
            return None
        pair = (parts[0], parts[1])
        self.merges.add(written, [pair])
        return LearnedPiece(written, (pair,))

    def old_ids(self, piece: LearnedPiece) -> list[int]:
        """Returns what a new piece was before: old pieces, and bytes.

        Args:
            piece: The new piece.
        """
        ids: list[int] = []
        for part in merge_all(list(piece.text), self._old):
            found = self._old_vocabulary.get(part)
            ids += [found] if found is not None else self._byte_ids(part)
        return ids

    def _byte_ids(self, part: str) -> list[int]:
        return [self._old_vocabulary[f"<0x{byte:02X}>"] for byte in part.encode()]

    def write(self, folder: Path, pieces: Sequence[LearnedPiece]) -> None:
        """Writes tokenizer.json with new pieces, and the files beside it as they are.

        Args:
            folder: Where to write.
            pieces: The new pieces, in the order of their ids.

        Raises:
            StorageError: If a file can't be read or written.
        """
        values = json.loads(json.dumps(self._values))
        model = values["model"]
        new = {piece.text: self.first_id + number for number, piece in enumerate(pieces)}
        model["vocab"] = self._old_vocabulary | new
        as_text = bool(model["merges"]) and isinstance(model["merges"][0], str)
        pairs = [pair for piece in pieces for pair in piece.pairs]
        model["merges"] += [" ".join(pair) if as_text else list(pair) for pair in pairs]
        if self._of_bytes:
            marks = _marks(self._scripts)
            values["pre_tokenizer"] = _with_marks(values.get("pre_tokenizer"), marks)
        text = json.dumps(values, ensure_ascii=False)
        Tokenizer.from_str(text)  # refuses what it can't read
        storage.write_text(folder / "tokenizer.json", text)
        for path in self._files[1:]:
            storage.copy_file(path, folder / path.name)


def _pair(merge: str | Sequence[str]) -> Pair:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _starts(data: bytes) -> list[bytes]:
    """Returns the bytes of the first character, none if they begin within one."""
    if not data or 0x80 <= data[0] < 0xC0:
        return []
    size = 1 + sum(data[0] >= lead for lead in (0xC0, 0xE0, 0xF0))
    return [data[:size]]


def _letter_scripts(start: bytes) -> set[str]:
    """Returns the scripts of all characters that begin with some bytes; "" for none of a script."""
    size = 1 + sum(start[0] >= lead for lead in (0xC0, 0xE0, 0xF0))
    missing = size - len(start)
    if size == 1 or missing > 1:
        return {""}
    ends = [bytes([byte]) for byte in range(0x80, 0xC0)] if missing else [b""]
    found: set[str] = set()
    for end in ends:
        character = (start + end).decode("utf-8", "ignore")
        if character and unicodedata.category(character) != "Cn":
            found |= set(letters_by_script(character)) or {_block_of(character)}
    return found


def _block_of(character: str) -> str:
    """Returns the script in whose block a sign stands."""
    first = ord(character) & ~0x7F
    around = [letters_by_script(chr(point)) for point in range(first, first + 0x80)]
    names = {name for found in around for name in found}
    return names.pop() if len(names) == 1 else ""


def _marks(scripts: Sequence[str]) -> str:
    """Returns the marks of scripts, such as vowel signs."""
    return "".join(
        chr(point)
        for point in _MARKED
        if unicodedata.category(chr(point))[0] == "M"
        and set(letters_by_script(chr(point))) & set(scripts)
    )


def _with_marks(splitter: Any, marks: str) -> Any:  # noqa: ANN401 - JSON values
    """Returns a pre-tokenizer whose patterns take some marks for letters."""
    if not isinstance(splitter, dict):
        return splitter
    if splitter.get("type") == "Sequence":
        parts = [_with_marks(one, marks) for one in splitter["pretokenizers"]]
        return splitter | {"pretokenizers": parts}
    if splitter.get("type") == "Split" and "Regex" in splitter.get("pattern", {}):
        pattern = _letters_with(splitter["pattern"]["Regex"], marks)
        return splitter | {"pattern": {"Regex": pattern}}
    if splitter.get("type") == "ByteLevel" and splitter.get("use_regex", True):
        pattern = _letters_with(_GPT2_PATTERN, marks)
        split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
                 "invert": False}  # fmt: skip
        plain = splitter | {"use_regex": False}
        return {"type": "Sequence", "pretokenizers": [split, plain]}
    return splitter


def _letters_with(pattern: str, marks: str) -> str:
    """Returns a pattern in which the class of letters has some marks, too."""
    found, in_class = [], False
    for part in re.split(r"(\\p\{L\}|\\.|\[|\])", pattern):
        if part == _LETTERS:
            found.append(f"{part}{marks}" if in_class else f"[{part}{marks}]")
            continue
        in_class = part == "[" or (in_class and part != "]")
        found.append(part)
    return "".join(found)
