"""Rows that a build left out, as JSON lines to repair and feed back as one more source."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from palo import storage
from palo.corpus.report.shards import DropChoice, Dropped
from palo.data.manifest import Manifest
from palo.images.image_folder import PARQUET, parts_of

QUARANTINE_FIELD = "quarantine"
"""Field of an exported row with the reason and the place of its drop; builds don't read it."""

_ID = re.compile(r"(?:[^/@]+)/(?P<own>.*)@\d+", re.DOTALL)


def export_quarantine(
    corpus: Path, manifest: Manifest | None, target: Path, choice: DropChoice
) -> int:
    """Writes rows of the quarantine as JSON lines in LLaVA's format.

    A row that is no JSON object is written as text under "raw".

    Args:
        corpus: Folder of the corpus.
        manifest: Its manifest, which knows the folders of images; None if the build stopped.
        target: The file to write.
        choice: Which rows.

    Returns:
        How many rows were written.
    """
    folders = _image_folders(manifest)
    count = 0
    with storage.replacing(target) as partial, partial.open("w", encoding="utf-8") as file:
        for line in _lines(corpus, choice, folders):
            file.write(line)
            count += 1
    return count


def _lines(corpus: Path, choice: DropChoice, folders: Mapping[str, str]) -> Iterator[str]:
    for row in choice.rows(corpus):
        # A text may hold half a surrogate pair, which JSON's escapes can say and UTF-8 can't.
        text = json.dumps(exported(row, folders.get(row.source)), ensure_ascii=False)
        yield text.encode(errors="backslashreplace").decode() + "\n"


def exported(row: Dropped, images: str | None = None) -> dict[str, Any]:
    """Returns a row as it is written for repair.

    Args:
        row: The row.
        images: Folder or archive that its source's images are in, as far as that is known.
    """
    why = {
        name: getattr(row, name)
        for name in ("reason", "detail", "step", "source", "file", "offset")
    }
    values = row.parsed()
    if values is None:
        return {"raw": row.text, QUARANTINE_FIELD: why}
    if row.step not in ("parse", "clean"):  # a record's own way of saying it
        if (match := _ID.fullmatch(str(values.get("id")))) is not None:
            values["id"] = match["own"]
        if isinstance(values.get("image"), str):
            values["image"] = _within(values["image"], images)
    return values | {QUARANTINE_FIELD: why}


def _within(image: str, images: str | None) -> str:
    """Returns an image's path as its row has it; None if that is unknown."""
    file, member = parts_of(image)
    if member:
        return image if file.endswith(PARQUET) else member
    for path in (image, str(storage.path_of(image).resolve())):
        if images is not None and path.startswith(f"{images}/"):
            return path.removeprefix(f"{images}/")
    return image


def _image_folders(manifest: Manifest | None) -> dict[str, str]:
    if manifest is None:
        return {}
    sources: Mapping[str, Mapping[str, Any]] = manifest.settings.get("sources", {})
    return {name: source["images"] for name, source in sources.items() if source.get("images")}
