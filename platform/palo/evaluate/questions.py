"""Held-out questions about images, read from JSON lines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.errors import DataError, ImageError
from palo.images.image_folder import ImageFolder

_FIELDS = ("id", "image", "language", "kind", "question", "answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question about one image, with its one right answer.

    Attributes:
        id: Its name, unique in its file.
        image: File of the image.
        language: ISO 639-1 code.
        kind: What is asked for, as a group of its own in the scores.
        question: The words of the question.
        answer: The words of the right answer.
    """

    id: str
    image: Path
    language: str
    kind: str
    question: str
    answer: str


def read_questions(path: Path, image_folder: Path) -> list[Question]:
    """Reads questions; each line is an object with exactly the fields of `Question`, as text.

    Args:
        path: The JSON lines.
        image_folder: Folder that the lines' `image` is relative to.

    Raises:
        StorageError: If the file can't be read or is not JSON lines.
        DataError: If there is no question, or a line is wrong; its number is in the message.
    """
    questions = list(_read(path, image_folder))
    if not questions:
        raise DataError("there are no questions", seen=path, fix="Name a file with JSON lines.")
    return questions


def _read(path: Path, image_folder: Path) -> Iterator[Question]:
    seen: set[str] = set()
    images = ImageFolder(image_folder)
    for number, value in storage.read_json_lines(path):
        row = _row(value, path, number)
        question = Question(**{**row, "image": image_of(images, row["image"], path, number)})
        if question.id in seen:
            raise bad_line(path, number, "repeats an id", question.id)
        if not languages.known(question.language):
            raise bad_line(path, number, "has an unknown language", repr(question.language))
        if not question.image.is_file():
            raise bad_line(path, number, "names a missing image", question.image)
        seen.add(question.id)
        yield question


def _row(row: object, path: Path, number: int) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise bad_line(path, number, "is not an object", str(row)[:60])
    if missing := [name for name in _FIELDS if not isinstance(row.get(name), str)]:
        raise bad_line(path, number, "lacks text for a field", ", ".join(missing))
    if unknown := sorted(set(row) - set(_FIELDS)):
        raise bad_line(path, number, "has an unknown field", ", ".join(unknown))
    return row


def image_of(images: ImageFolder, name: str, path: Path, number: int) -> Path:
    """Returns the path of a line's image.

    Args:
        images: Where the images are.
        name: What the line says.
        path: The file of the line.
        number: The line's number in it.

    Raises:
        DataError: If it leads out of the folder.
    """
    try:
        return images.find(name)
    except ImageError as error:
        raise bad_line(path, number, "names an image outside its folder", repr(name)) from error


def bad_line(path: Path, number: int, fact: str, seen: object) -> DataError:
    """Returns the error that says what is wrong with a line."""
    return DataError(
        f"line {number} of {path} {fact}", seen=seen, fix="Correct the line or take it out."
    )
