"""A folder of one's own: JSON lines with questions, and a folder with their images."""

from collections.abc import Iterable
from pathlib import Path

from palo import languages
from palo.evaluate.benches.bench import BenchItem, BenchSource
from palo.evaluate.benches.rows import Row, read_rows

_FIELDS = (
    "id", "language", "image", "question", "answer", "category", "context", "objects",
)  # fmt: skip


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    items = []
    for row in read_rows(folder / "questions.jsonl"):
        item = _item(folder, row)
        if item.language == code:
            items.append(item)
    return items or None


def _item(folder: Path, row: Row) -> BenchItem:
    if unknown := sorted(set(row.values) - set(_FIELDS)):
        raise row.wrong("has unknown fields", ", ".join(unknown))
    code = row.text("language")
    if not languages.known(code):
        raise row.wrong("has an unknown language", code)
    return BenchItem(
        question_id=row.text("id"),
        language=code,
        image=folder / "images" / row.text("image"),
        category=row.text("category") if "category" in row.values else "question",
        question=row.text("question"),
        references=row.texts("answer"),
        context=row.texts("context") if "context" in row.values else (),
        objects=row.texts("objects") if "objects" in row.values else None,
    )


SOURCE = BenchSource(
    name="own",
    title="Questions of one's own",
    licence="yours",
    origin="a folder of yours",
    task="judged",
    layout="images/ and questions.jsonl, each line with id, language, image, question, answer "
    "(one or a list), and where wanted category, context (captions for the judge) and objects",
    read=_read,
)
