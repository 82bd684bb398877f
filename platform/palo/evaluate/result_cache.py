"""Results that are kept line by line as they come, so that nothing is done twice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from palo.errors import DataError
from palo.storage import LineFile


class ResultCache:
    """A file of JSON lines on a local disk, each with the key of what it is the result of.

    A line that was half written when its process died is written anew. Use it as a context.

    Attributes:
        known: Results by key; of two lines with one key the later counts.

    Args:
        path: The file; made if it is missing.

    Raises:
        DataError: If a line is not one of ours.
        StorageError: If the file can't be read, or lies on S3, where nothing can be appended.
    """

    def __init__(self, path: Path) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self._file = LineFile(path)
        for place, values in self._file.rows():
            key = values.pop("key", None)
            if not isinstance(key, str):
                raise DataError(
                    f"byte {place:,} of {path} begins no kept result",
                    seen=repr(values)[:60],
                    fix="Take the line out, or delete the file to begin anew.",
                )
            self.known[key] = values

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def add(self, key: str, values: Mapping[str, Any]) -> None:
        """Keeps a result; it is on the disk's way when this returns."""
        self._file.append({"key": key, **values})
        self.known[key] = dict(values)
