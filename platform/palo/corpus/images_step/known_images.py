"""What a build knows of the images of some records."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.corpus.images_step.image_table import table_path

_COLUMNS = ("path", "image_id", "reason", "detail")


class KnownImage(NamedTuple):
    """One image, or none.

    Attributes:
        image_id: Its name in the image store.
        reason: Why it can't be used, if it can't.
        detail: What was seen.
    """

    image_id: str | None
    reason: str | None
    detail: str


def known_images(corpus: Path, paths: Sequence[str]) -> dict[str | None, KnownImage]:
    """Returns what is known of images by path, and of none."""
    found: dict[str | None, KnownImage] = {None: KnownImage(None, None, "")}
    if paths:
        path = table_path(corpus)
        with storage.wrap_os_errors("read", path):
            stat = path.stat()
        table = _table(path, stat.st_size, stat.st_mtime_ns)
        rows = table.filter(pc.is_in(table.column("path"), value_set=pa.array(paths, pa.string())))
        for row in rows.to_pylist():
            found[row["path"]] = KnownImage(row["image_id"], row["reason"], row["detail"])
    return found


@lru_cache(maxsize=1)
def _table(path: Path, size_bytes: int, modified_ns: int) -> pa.Table:
    """Reads the table once in a process: each of its tasks needs some of it."""
    return storage.read_table(path, columns=_COLUMNS)
