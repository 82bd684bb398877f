"""LLaVA's layout of a bench: a file of questions, one of answers, one of captions."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from palo.errors import DataError
from palo.evaluate.benches.item import BenchItem
from palo.evaluate.benches.rows import Row, rows_by

_SHOWN = 5


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
