"""Paths on S3, with the methods of `Path` that this project uses.

A subclass of `Path`, so that settings, messages and callers have one type for both kinds. pathlib
offers no other base for that; all methods in use are overridden, and the tests pass on Python 3.11,
3.12 and 3.13. Libraries that take such a path for a local one fail: it has no `__fspath__`.
"""

import io
import os
import stat
import sys
import zlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PosixPath
from typing import IO, Any, Never

from palo.errors import StorageError
from palo.storage import s3_objects, s3_upload
from palo.storage.s3_location import S3Location, parse
from palo.storage.s3_objects import BUFFER_BYTES, S3File


class S3Path(PosixPath):
    """A bucket, an object, or a folder, which is a prefix of the keys of objects.

    Folders are never created: they exist where objects do. A missing object is a FileNotFoundError,
    as with local paths; any other refusal of a store is a StorageError.

    Args:
        uri: s3://bucket/key, as `s3_location.parse` reads it.

    Attributes:
        place: Bucket and key.
    """

    place: S3Location

    def __new__(cls, uri: str) -> "S3Path":  # noqa: D102 - see the class
        place = parse(uri)
        self = super().__new__(cls, "s3:", place.bucket, *_parts(place.key))
        self.place = place
        return self

    def __init__(self, uri: str) -> None:
        if sys.version_info >= (3, 12):
            super().__init__("s3:", self.place.bucket, *_parts(self.place.key))

    # --- names ---

    def __str__(self) -> str:
        return self.place.uri

    def __repr__(self) -> str:
        return f"S3Path({str(self)!r})"

    def __fspath__(self) -> Never:
        raise StorageError(
            "this must be a path on a disk of this machine",
            seen=str(self),
            fix="Copy what lies there to a folder and name that.",
        )

    def __reduce__(self) -> tuple[type["S3Path"], tuple[str]]:
        return S3Path, (str(self),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, S3Path) and self.place == other.place

    def __hash__(self) -> int:
        return hash(self.place)

    def __lt__(self, other: Any) -> bool:  # noqa: ANN401 - as Path has it
        return _parts(str(self)) < _parts(str(other))

    def _at(self, key: str) -> "S3Path":
        return S3Path(self.place._replace(key=key).uri)

    def __truediv__(self, name: Any) -> "S3Path":  # noqa: ANN401 - as Path has it
        if isinstance(name, S3Path):
            return name
        return self._at(f"{self.place.key}/{os.fspath(name)}")

    def __rtruediv__(self, folder: Any) -> "S3Path":  # noqa: ANN401 - as Path has it
        return self

    def joinpath(self, *names: Any) -> "S3Path":  # noqa: ANN401 - as Path has it
        """Returns the path of a descendant."""
        path = self
        for name in names:
            path = path / name
        return path

    @property
    def parent(self) -> "S3Path":
        """The enclosing folder; a bucket is its own."""
        return self._at(self.place.key.rpartition("/")[0])

    def with_name(self, name: str) -> "S3Path":
        """Returns the path of a sibling.

        Args:
            name: The sibling's name.
        """
        return self.parent / name

    def with_suffix(self, suffix: str) -> "S3Path":
        """Returns the path with another suffix.

        Args:
            suffix: The new suffix, with its dot.
        """
        return self.with_name(f"{self.stem}{suffix}")

    @property
    def parents(self) -> Sequence["S3Path"]:
        """The enclosing folders, up to the bucket."""
        parts = _parts(self.place.key)
        return [self._at("/".join(parts[:count])) for count in range(len(parts) - 1, -1, -1)]

    def relative_to(self, *other: Any) -> PosixPath:  # type: ignore[override]  # noqa: ANN401
        """Returns the path relative to an enclosing folder, without a bucket.

        Raises:
            ValueError: If that folder doesn't enclose it.
        """
        (folder,) = other
        if not isinstance(folder, S3Path) or (folder != self and folder not in self.parents):
            raise ValueError(f"{self} is not below {folder}")
        return PosixPath(*_parts(self.place.key)[len(_parts(folder.place.key)) :])

    def match(self, path_pattern: str) -> bool:
        """Returns whether the end of the key matches a pattern, as paths have it.

        Args:
            path_pattern: A glob pattern.
        """
        return PosixPath(self.place.key).match(path_pattern)

    def is_absolute(self) -> bool:
        """Returns True."""
        return True

    def resolve(self, strict: bool = False) -> "S3Path":
        """Returns the path itself.

        Args:
            strict: Ignored: keys have no links to follow.
        """
        return self

    def absolute(self) -> "S3Path":
        """Returns the path itself."""
        return self

    def expanduser(self) -> "S3Path":
        """Returns the path itself."""
        return self

    # --- what is there ---

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Returns size and time of change of an object.

        Stores report whole seconds. The digits below them come from the ETag, so that an object
        that was written again within a second has another time.

        Args:
            follow_symlinks: Ignored: keys have no links to follow.

        Raises:
            FileNotFoundError: If there is neither an object nor a folder.
        """
        try:
            found = s3_objects.head(self.place)
        except FileNotFoundError:
            if not self.is_dir():
                raise
            return os.stat_result((stat.S_IFDIR | 0o755, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        seconds = found.modified_s
        ns = seconds * 10**9 + zlib.crc32(found.etag.encode()) % 10**9
        times = (seconds,) * 3 + (ns / 1e9,) * 3 + (ns,) * 3
        return os.stat_result((stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, found.size_bytes, *times))

    def is_file(self) -> bool:
        """Returns whether there is an object."""
        try:
            s3_objects.head(self.place)
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Returns whether there is any object under this key; a bucket is a folder."""
        below = self.place._replace(key=f"{self.place.key}/" if self.place.key else "")
        return s3_objects.first_below(below) is not None or not self.place.key

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Returns whether there is an object or a folder.

        Args:
            follow_symlinks: Ignored: keys have no links to follow.
        """
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        """Returns False."""
        return False

    def iterdir(self) -> Iterator["S3Path"]:  # type: ignore[override]
        """Yields the direct children of a folder, in the order of names."""
        for entry in s3_objects.below(self.place):
            yield self._at(entry.key)

    def glob(self, pattern: str) -> Iterator["S3Path"]:  # type: ignore[override]
        """Yields the paths that match a pattern.

        Args:
            pattern: Parts separated by slashes, each of which may hold * and ?.
        """
        first, _, rest = pattern.partition("/")
        for path in self.iterdir():
            if fnmatchcase(path.name, first):
                if rest:
                    yield from path.glob(rest)
                else:
                    yield path

    def rglob(self, pattern: str) -> Iterator["S3Path"]:  # type: ignore[override]
        """Yields the objects at any depth whose name matches a pattern.

        Args:
            pattern: A name that may hold * and ?.
        """
        for entry in s3_objects.below(self.place, deep=True):
            if fnmatchcase(entry.key.rpartition("/")[2], pattern):
                yield self._at(entry.key)

    # --- contents ---

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Opens an object for reading; `storage.replacing` writes.

        Args:
            mode: r, rt or rb.
            buffering: Size of the buffer in bytes; 0 for none, 4 MiB by default.
            encoding: Of text; UTF-8 by default.
            errors: What happens to bytes that are no text, as `open` has it.
            newline: What happens to line ends, as `open` has it.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If the mode is another.
            StorageError: If the store refuses.
        """
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"mode {mode!r} is not for S3: write with storage.replacing")
        raw = S3File(self.place)
        if mode == "rb" and buffering == 0:
            return raw  # type: ignore[return-value]
        buffered = io.BufferedReader(raw, buffering if buffering > 1 else BUFFER_BYTES)
        if mode == "rb":
            return buffered
        return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)

    def read_bytes(self) -> bytes:
        """Reads a whole object."""
        return s3_objects.read(self.place)

    def read_text(
        self, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> str:
        """Reads a whole object as text.

        Args:
            encoding: UTF-8 by default.
            errors: What happens to bytes that are no text; strict by default.
            newline: None makes all line ends line feeds.
        """
        text = self.read_bytes().decode(encoding or "utf-8", errors or "strict")
        return text.replace("\r\n", "\n") if newline is None else text

    def write_bytes(self, data: Any) -> int:  # noqa: ANN401 - as Path has it
        """Writes a whole object or none.

        Args:
            data: Its bytes.

        Returns:
            Their number.
        """
        s3_upload.put(self.place, data)
        return len(data)

    def write_text(
        self,
        data: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        """Writes a whole object of text or none.

        Args:
            data: Its text.
            encoding: UTF-8 by default.
            errors: What happens to characters that the encoding lacks; strict by default.
            newline: Ignored: line ends are written as they are.

        Returns:
            The number of characters.
        """
        self.write_bytes(data.encode(encoding or "utf-8", errors or "strict"))
        return len(data)

    def unlink(self, missing_ok: bool = False) -> None:
        """Deletes an object.

        Args:
            missing_ok: Whether a missing object is no error.

        Raises:
            FileNotFoundError: If there is none, and that is an error.
        """
        if not missing_ok:
            s3_objects.head(self.place)
        s3_objects.delete(self.place)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Does nothing: folders exist where objects do.

        Args:
            mode: Ignored.
            parents: Ignored.
            exist_ok: Ignored.
        """

    def rmdir(self) -> None:
        """Does nothing: an empty folder doesn't exist."""


def _parts(key: str) -> list[str]:
    return [part for part in key.split("/") if part]
