"""A file that grows by whole lines of JSON, from several processes at once, and never loses one."""

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from palo.errors import DataError
from palo.storage import ensure_folder, wrap_os_errors

_CHUNK_BYTES = 1 << 16


class Journal:
    """A file of JSON lines that are only appended.

    Args:
        path: The file; made when the first line comes.
        on_row: Is given each row once, in the order of the file, with its line's number from 1.
    """

    def __init__(self, path: Path, on_row: Callable[[int, Any], None]) -> None:
        self._path = path
        self._on_row = on_row
        self._read_bytes = 0
        self._num_rows = 0
        self._turn = threading.RLock()

    def refresh(self) -> None:
        """Reads what has come since the last time.

        Raises:
            DataError: If a line is no JSON: somebody has changed the file by hand.
            StorageError: If the file can't be read.
        """
        with self._turn, wrap_os_errors("read", self._path):
            if self._path.exists():
                with self._path.open("rb") as file:
                    self._read_new(file)

    @contextmanager
    def appending(self) -> Iterator[Callable[[Sequence[object]], None]]:
        """Gives what appends rows. Nobody else can append meanwhile, and all theirs were read.

        Raises:
            DataError: See `refresh`.
            StorageError: If the file can't be read or written.
        """
        ensure_folder(self._path.parent)
        with self._turn, wrap_os_errors("write", self._path), self._path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _cut_torn_end(file)
            self._read_new(file)

            def append(rows: Sequence[object]) -> None:
                lines = (json.dumps(row, ensure_ascii=False) for row in rows)
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
                self._read_new(file)

            yield append

    def _read_new(self, file: BinaryIO) -> None:
        file.seek(self._read_bytes)
        # What another process is writing at this moment has no end of line yet.
        whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return
        for line in whole.split(b"\n"):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"line {self._num_rows + 1} of {self._path} is not JSON",
                    seen=repr(line[:60]),
                    fix="Take back what was changed by hand.",
                ) from error
            self._num_rows += 1
            self._read_bytes += len(line) + 1
            self._on_row(self._num_rows, row)


def _cut_torn_end(file: BinaryIO) -> None:
    """Takes out what a process had written of a line when it died: nobody was told it is saved."""
    end = file.seek(0, os.SEEK_END)
    kept = end
    while kept:
        start = max(0, kept - _CHUNK_BYTES)
        file.seek(start)
        found = file.read(kept - start).rfind(b"\n")
        if found >= 0:
            kept = start + found + 1
            break
        kept = start
    if kept < end:
        file.truncate(kept)
    file.seek(0, os.SEEK_END)
