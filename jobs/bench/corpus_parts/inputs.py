"""Generated inputs of the corpus bench: written once into the cache, then used again."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from corpus_parts.rows import RowMaker, RowSettings, image_path
from corpus_parts.sentences import Sentences
from corpus_parts.settings import CorpusBench, EncodeBench
from PIL import Image

from palo import storage
from palo.config import fingerprint

_VERSION = 1
_BUFFER_BYTES = 8 << 20
_SIDE = 12


@dataclass(frozen=True, slots=True)
class Inputs:
    """Generated rows and images.

    Attributes:
        rows: A JSON array.
        images: Folder that the rows' image paths start from.
    """

    rows: Path
    images: Path


def write_inputs(settings: CorpusBench, rows: RowSettings, sentences: Sentences) -> Inputs:
    """Returns rows and images that are in the cache, or writes them there."""
    name = fingerprint([_VERSION, sentences.source, rows])
    folder = settings.cache.resolve() / f"inputs-{name}"
    inputs = Inputs(folder / "rows.json", folder / "images")
    if not folder.is_dir():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_images(partial / "images", rows.num_images)
        _write_array(partial / "rows.json", iter(RowMaker(rows, sentences)))
        partial.rename(folder)
    return inputs


def _write_array(path: Path, rows: Iterator[str]) -> None:
    with path.open("w", encoding="ascii", buffering=_BUFFER_BYTES) as file:
        file.write("[" + next(rows))
        file.writelines(f", {row}" for row in rows)
        file.write("]")


def _write_images(folder: Path, count: int) -> None:
    """Writes small images, no two of them alike."""
    for number in range(count):
        path = folder / image_path(number)
        if number == 0:
            path.parent.mkdir(parents=True)
        colour = (number & 255, (number >> 8) & 255, (number >> 16) & 255)
        image = Image.new("RGB", (_SIDE, _SIDE), colour)
        data = io.BytesIO()
        image.save(data, "PNG", compress_level=1)
        path.write_bytes(data.getvalue())


def write_large_array(path: Path, inputs: Inputs, size_bytes: int) -> int:
    """Writes an array of about a size by repeating rows; returns how many rows it has."""
    text = inputs.rows.read_bytes()[1:-1]
    times = max(1, round(size_bytes / len(text)))
    with storage.replacing(path) as partial, partial.open("wb") as file:
        file.write(b"[" + text)
        for _ in range(times - 1):
            file.write(b", ")
            file.write(text)
        file.write(b"]")
    return times


@contextmanager
def scratch(settings: CorpusBench | EncodeBench, name: str) -> Iterator[Path]:
    """Gives an empty folder in the cache, and deletes it unless it is to be kept."""
    folder = settings.cache.resolve() / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        if not settings.keep:
            shutil.rmtree(folder, ignore_errors=True)
