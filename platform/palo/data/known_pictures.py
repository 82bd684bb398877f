"""What a build knows of the pictures of some records."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq


class KnownPicture(NamedTuple):
    """One picture, or none.

    Attributes:
        image_id: Its name in the image store.
        reason: Why it can't be used, if it can't.
        detail: What was seen.
    """

    image_id: str | None
    reason: str | None
    detail: str


def known_pictures(corpus: Path, paths: Sequence[str]) -> dict[str | None, KnownPicture]:
    """Returns what is known of pictures by path, and of none."""
    found: dict[str | None, KnownPicture] = {None: KnownPicture(None, None, "")}
    if paths:
        table = pq.read_table(corpus / "pictures.parquet", filters=[("path", "in", list(paths))])
        for row in table.to_pylist():
            found[row["path"]] = KnownPicture(row["image_id"], row["reason"], row["detail"])
    return found
