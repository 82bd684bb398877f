"""The held-out questions of a recipe: short answers, each with one right answer.

The embedded scenes are such questions in every language.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.errors import DataError
from palo.evaluate.benches.bench import Bench, BenchItem, BenchSource, bench_of
from palo.evaluate.benches.rows import bad_line, image_of
from palo.images.image_folder import ImageFolder

_FIELDS = ("id", "image", "language", "kind", "question", "answer")


def heldout_bench(path: Path, image_folder: Path) -> Bench:
    """Returns the held-out questions of a recipe as a bench, in the order of their file.

    Args:
        path: JSON lines, see `read_questions`.
        image_folder: Folder that the lines' `image` is relative to.

    Raises:
        StorageError: If the file can't be read or is not JSON lines.
        DataError: If there is no question, or a line is wrong.
    """
    return bench_of(SOURCE, read_questions(path, image_folder))


def read_questions(path: Path, image_folder: Path) -> list[BenchItem]:
    """Reads questions: each line is an object with id, image, language, kind, question and answer.

    Args:
        path: The JSON lines.
        image_folder: Folder that the lines' `image` is relative to.

    Returns:
        The questions in the order of the lines; their kind is the category.

    Raises:
        StorageError: If the file can't be read or is not JSON lines.
        DataError: If there is no question, or a line is wrong; its number is in the message.
    """
    items = list(_items(path, image_folder))
    if not items:
        raise DataError("there are no questions", seen=path, fix="Name a file with JSON lines.")
    return items


def _items(path: Path, image_folder: Path) -> Iterator[BenchItem]:
    seen: set[str] = set()
    images = ImageFolder(image_folder)
    for number, value in storage.read_json_lines(path):
        row = _fields(value, path, number)
        image = image_of(images, row["image"], path, number)
        if row["id"] in seen:
            raise bad_line(path, number, "repeats an id", row["id"])
        if not languages.known(row["language"]):
            raise bad_line(path, number, "has an unknown language", repr(row["language"]))
        if not image.is_file():
            raise bad_line(path, number, "names a missing image", image)
        seen.add(row["id"])
        yield BenchItem(
            question_id=row["id"],
            language=row["language"],
            image=image,
            category=row["kind"],
            question=row["question"],
            references=(row["answer"],),
        )


def _fields(row: object, path: Path, number: int) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise bad_line(path, number, "is not an object", str(row)[:60])
    if missing := [name for name in _FIELDS if not isinstance(row.get(name), str)]:
        raise bad_line(path, number, "lacks text for a field", ", ".join(missing))
    if unknown := sorted(set(row) - set(_FIELDS)):
        raise bad_line(path, number, "has an unknown field", ", ".join(unknown))
    return row


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    items = read_questions(folder / "heldout" / "questions.jsonl", folder)
    return [item for item in items if item.language == code] or None


SOURCE = BenchSource(
    name="scenes",
    title="Held-out scenes",
    licence="Apache-2.0",
    origin="drawn by palo.scenes",
    task="short_answer",
    layout="heldout/questions.jsonl and heldout/images/, as the nano recipe draws them",
    read=_read,
)
