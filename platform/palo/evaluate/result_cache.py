"""A cache of results as lines of JSON: an interrupted run resumes without repeating work."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from palo.errors import DataError
from palo.storage import LineFile


class ResultCache:
    """A file of JSON lines on a local disk, each a result with its key; use it as a context.

    A line that was half written when its process died is dropped.

    Attributes:
        known: Results by key; of two lines with one key the later one counts.

    Args:
        path: The file; made if it is missing.

    Raises:
        DataError: If a line is no cached result.
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
        """Appends a result to the file.

        Args:
            key: Name of the result.
            values: The result, as JSON values.
        """
        self._file.append({"key": key, **values})
        self.known[key] = dict(values)
