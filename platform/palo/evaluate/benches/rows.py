"""Reads the files of published benches, with errors that name the line.

LLaVA's layout of a bench is a file of questions, one of answers, one of captions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from palo import languages, storage
from palo.errors import DataError, ImageError
from palo.evaluate.benches.bench import BenchItem
from palo.images.image_folder import ImageFolder

# Released translations keep the English text and put their own beside it, under these endings.
_OTHER_NAMES: Mapping[str, str] = {"ja": "jp"}
_SHOWN = 5


class Row(NamedTuple):
    """One JSON object of a file.

    Attributes:
        path: The file.
        number: Its line, from 1.
        values: Its fields.
    """

    path: Path
    number: int
    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Returns a field as text; numbers count as text.

        Args:
            name: Name of the field.

        Raises:
            DataError: If it is missing, empty, or something else.
        """
        value = self.values.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(f"lacks text for {name}", value)
        return value

    def own_text(self, name: str, code: str) -> str:
        """Returns a field in a language: the language's own field if there is one.

        Args:
            name: Field of the English text.
            code: ISO 639-1 code.
        """
        endings = [code, code.upper()]
        endings += [_OTHER_NAMES[code]] if code in _OTHER_NAMES else []
        for ending in endings:
            for field in (f"{name}_{ending}", ending):
                if isinstance(self.values.get(field), str):
                    return self.text(field)
        return self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Returns a field that holds one text or a list of them.

        Args:
            name: Name of the field.

        Returns:
            The texts without empty ones.

        Raises:
            DataError: If it is anything else.
        """
        value = self.values.get(name)
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, Sequence) or not all(isinstance(part, str) for part in found):
            raise self.wrong(f"has no texts in {name}", value)
        return tuple(part for part in found if part.strip())

    def wrong(self, fact: str, seen: object) -> DataError:
        """Returns the error for a wrong row.

        Args:
            fact: What is wrong.
            seen: The value that is wrong.
        """
        return DataError(
            f"line {self.number} of {self.path} {fact}",
            seen=repr(seen)[:80],
            fix="Correct the line, or fetch the file again.",
        )


def read_rows(path: Path, *, on_cut: Callable[[], None] | None = None) -> list[Row]:
    """Reads JSON lines that are objects.

    Args:
        path: The file.
        on_cut: Called in place of an error if the last line was cut off; None refuses such a file.

    Raises:
        StorageError: If the file can't be read or is not JSON lines.
        DataError: If a line is no object.
    """
    rows = []
    for number, value in storage.read_json_lines(path, on_cut=on_cut):
        row = Row(path, number, value if isinstance(value, Mapping) else {})
        if not isinstance(value, Mapping):
            raise row.wrong("is not an object", value)
        rows.append(row)
    return rows


def rows_by(path: Path, name: str) -> dict[str, Row]:
    """Reads JSON lines by one of their fields.

    Args:
        path: The file.
        name: Name of the field.

    Returns:
        The rows by the field's text, in their order.

    Raises:
        StorageError: If the file can't be read or is not JSON lines.
        DataError: If a line is no object or lacks the field, or two have the same value there.
    """
    found: dict[str, Row] = {}
    for row in read_rows(path):
        value = row.text(name)
        if value in found:
            raise row.wrong(f"repeats the {name} of line {found[value].number}", value)
        found[value] = row
    return found


def language_folder(folder: Path, code: str) -> Path | None:
    """Returns the folder of a language: named by its English name or its code, in any case.

    Args:
        folder: Folder of the bench.
        code: ISO 639-1 code.

    Returns:
        None if there is none.

    Raises:
        DataError: If two folders are of one name.
    """
    if not folder.is_dir():
        return None
    for name in (languages.get(code).name.lower(), code):
        if (folder / name).is_dir():
            return folder / name
        found = sorted(
            place for place in folder.iterdir() if place.name.lower() == name and place.is_dir()
        )
        if len(found) > 1:
            raise DataError(
                f"{folder} has two folders of {languages.get(code).name}",
                seen=", ".join(place.name for place in found),
                fix=f"Rename the one that is wanted to {name}.",
            )
        if found:
            return found[0]
    return None


def first_file(folder: Path, code: str, *stems: str) -> Path | None:
    """Returns the first of some JSON lines files that exists, with or without a language's ending.

    Args:
        folder: Where to look; files in a folder `corrected` in it come first.
        code: ISO 639-1 code.
        stems: Names without ending, the most wanted first.
    """
    for place in (folder / "corrected", folder):
        for stem in stems:
            for name in (f"{stem}_{code}.jsonl", f"{stem}.jsonl"):
                if (place / name).is_file():
                    return place / name
    return None


def required_file(folder: Path, code: str, *stems: str) -> Path:
    """Returns the first of some JSON lines files that exists.

    Args:
        folder: Where to look, see `first_file`.
        code: ISO 639-1 code.
        stems: Names without ending, the most wanted first.

    Raises:
        DataError: If there is none.
    """
    found = first_file(folder, code, *stems)
    if found is None:
        raise DataError(
            f"{folder} has no file of this name",
            seen=" or ".join(f"{stem}.jsonl" for stem in stems),
            fix="Fetch the bench again, with all its files.",
        )
    return found


def image_of(images: ImageFolder, name: str, path: Path, number: int) -> Path:
    """Returns the path of a line's image.

    Args:
        images: Folder of the images.
        name: The path that the line names.
        path: The file of the line.
        number: The line's number in it, from 1.

    Raises:
        DataError: If it leads out of the folder.
    """
    try:
        return images.find(name)
    except ImageError as error:
        raise bad_line(path, number, "names an image outside its folder", repr(name)) from error


def bad_line(path: Path, number: int, fact: str, seen: object) -> DataError:
    """Returns the error for a wrong line of a file that the user wrote.

    Args:
        path: The file.
        number: The line's number in it, from 1.
        fact: What is wrong.
        seen: The value that is wrong.
    """
    return DataError(
        f"line {number} of {path} {fact}", seen=seen, fix="Correct the line or take it out."
    )


def read_question_files(
    questions: Path, answers: Path, context: Path, images: Path, code: str
) -> Iterator[BenchItem]:
    """Reads one language. Answers and captions are found by id and image, not by line number.

    Args:
        questions: JSON lines with question_id, image, text, category.
        answers: JSON lines with question_id and text: the reference answers.
        context: JSON lines with image and caption or captions, and instances where known.
        images: Folder of the images.
        code: ISO 639-1 code.

    Raises:
        DataError: If a question lacks its answer or its image's captions, or the answers belong
            to other questions.
    """
    question_rows = rows_by(questions, "question_id")
    answer_rows = rows_by(answers, "question_id")
    context_rows = rows_by(context, "image")
    _require_same(question_rows, answer_rows, questions, answers)
    for question_id, row in question_rows.items():
        image = row.text("image")
        if image not in context_rows:
            raise row.wrong(f"names an image that {context.name} doesn't describe", image)
        about = context_rows[image]
        yield BenchItem(
            question_id=question_id,
            language=code,
            image=images / image,
            category=row.text("category"),
            question=row.own_text("text", code),
            references=(_answer(row, answer_rows[question_id], code),),
            context=_captions(about, code),
            # The names of objects are English words, which other languages don't say.
            objects=_objects(about) if code == "en" else None,
        )


def _require_same(
    question_rows: Mapping[str, Row],
    answer_rows: Mapping[str, Row],
    questions: Path,
    answers: Path,
) -> None:
    for these, those, file, other in (
        (question_rows, answer_rows, questions, answers),
        (answer_rows, question_rows, answers, questions),
    ):
        alone = [key for key in these if key not in those]
        if alone:
            raise DataError(
                f"{len(alone)} question ids of {file} are not in {other}",
                seen=", ".join(alone[:_SHOWN]),
                fix="Fetch both files from the same release.",
            )


def _answer(question: Row, answer: Row, code: str) -> str:
    # Published answers repeat the question, which reveals answers of another release.
    prompt = answer.values.get("prompt")
    if isinstance(prompt, str) and prompt.strip() not in (
        question.text("text").strip(),
        question.own_text("text", code).strip(),
    ):
        raise answer.wrong("answers another question than the one of its id", prompt)
    return answer.own_text("text", code)


def _captions(about: Row, code: str) -> tuple[str, ...]:
    if "captions" in about.values:
        return about.texts("captions")
    if isinstance(about.values.get("caption"), str):
        return (about.own_text("caption", code),)
    return about.texts("caption")


def _objects(about: Row) -> tuple[str, ...] | None:
    instances = about.values.get("instances")
    if instances is None:
        return None
    try:
        return tuple(sorted({str(instance["category"]) for instance in instances}))
    except (TypeError, KeyError):
        raise about.wrong("has instances without a category", instances) from None
