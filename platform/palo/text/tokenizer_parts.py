"""Parts of both tokenizers: ids, reading and fingerprinting files, and repairing text.

Ids are machine integers: joining, slicing and writing them costs no object for each.
"""

import hashlib
import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from palo import storage
from palo.errors import MismatchError, StorageError

Ids: TypeAlias = "array[int]"
"""Token ids, 32 bits each; compare them with one another, since no array equals a list."""
MAX_FILE_BYTES = 128 << 20
"""Largest file of a tokenizer that is read; the largest ones in use have a third of it."""


def ids_of(values: Iterable[int] = ()) -> Ids:
    """Returns token ids as an array.

    Args:
        values: The ids.
    """
    return array("i", values)


def ids_of_bytes(data: bytes) -> Ids:
    """Returns token ids from the bytes that `Ids.tobytes` gave.

    Args:
        data: Four bytes for each id.
    """
    return array("i", data)


def repaired(text: str) -> str:
    """Returns the text with U+FFFD for lone surrogates, which UTF-8 can't write.

    Args:
        text: Any text.

    Raises:
        TypeError: If it isn't text.
    """
    if not isinstance(text, str):
        raise TypeError(f"a tokenizer encodes text, got {type(text).__name__}")
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def read(path: Path) -> bytes:
    """Returns the content of a file.

    Args:
        path: The file.

    Raises:
        StorageError: If it can't be read, is no file, or is larger than a tokenizer is.
    """
    try:
        return storage.read_regular(path, MAX_FILE_BYTES)
    except OSError as error:
        raise StorageError(
            "the tokenizer's file can't be read", seen=f"{path} ({error.strerror})"
        ) from None


def parse(
    build: Callable[[], Any], error: type[Exception] | tuple[type[Exception], ...], path: Path
) -> Any:  # noqa: ANN401 - untyped packages
    """Returns what `build` makes of a file's content.

    Args:
        build: Makes the tokenizer.
        error: What it raises for a damaged file.
        path: The file.

    Raises:
        StorageError: If it raises `error`, which is what its package has for damaged content.
    """
    try:
        return build()
    except error:
        raise StorageError(
            "the tokenizer's file is damaged or of another kind",
            seen=path,
            fix="Copy it again from the model that it belongs to.",
        ) from None


def fingerprint(files: Sequence[Path]) -> str:
    """Returns 16 hexadecimal digits that name the files' names and content.

    Args:
        files: The tokenizer's files.
    """
    digest = hashlib.sha256()
    for path in files:
        content = read(path)
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def no_control(token: str, path: Path) -> MismatchError:
    """Returns the error for a control token that a tokenizer lacks.

    Args:
        token: Its name.
        path: The tokenizer's file.
    """
    return MismatchError(
        "the tokenizer has no such control token",
        seen=f"{token} in {path}",
        fix="Choose a template that fits the tokenizer, or the tokenizer that fits the template.",
    )
