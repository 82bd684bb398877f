"""Results that are kept line by line as they come, so that nothing is done twice."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from palo import storage
from palo.errors import DataError, StorageError


class KeptResults:
    """A file of JSON lines on a local disk, each with the key of what it is the result of.

    A line that was half written when its process died is written anew. Use it as a context.

    Attributes:
        known: Results by key; of two lines with one key the later counts.

    Args:
        path: The file; it need not exist.

    Raises:
        DataError: If a line is not one of ours.
        StorageError: If the file can't be read, or lies on S3, where nothing can be appended.
    """

    def __init__(self, path: Path) -> None:
        if isinstance(path, storage.S3Path):
            raise StorageError(
                "results can't be kept line by line on S3",
                seen=path,
                fix="Name a folder on a disk.",
            )
        self._path = path
        storage.ensure_folder(path.parent)
        self.known: dict[str, dict[str, Any]] = {}
        with storage.explained("read", path):
            data = path.read_bytes() if path.exists() else b""
        whole, _, torn = data.rpartition(b"\n")
        self._whole_bytes = len(data) - len(torn)
        for number, line in enumerate(whole.split(b"\n"), start=1):
            if line.strip():
                self._learn(number, line)

    def _learn(self, number: int, line: bytes) -> None:
        try:
            values = json.loads(line)
            self.known[values.pop("key")] = values
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"line {number} of {self._path} is no kept result",
                seen=repr(line[:60]),
                fix="Take the line out, or delete the file to begin anew.",
            ) from error

    def __enter__(self) -> Self:
        with storage.explained("write", self._path):
            self._file = self._path.open("ab")
            self._file.truncate(self._whole_bytes)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, key: str, values: Mapping[str, Any]) -> None:
        """Keeps a result; it is on the disk's way when this returns."""
        line = json.dumps({"key": key, **values}, ensure_ascii=False)
        with storage.explained("write", self._path):
            self._file.write(line.encode("utf-8", "replace") + b"\n")
            self._file.flush()
        self.known[key] = dict(values)
