"""The embedded scenes: short answers about drawn images in every language."""

from collections.abc import Iterable
from pathlib import Path

from palo.evaluate.benches.bench import BenchSource
from palo.evaluate.benches.item import BenchItem, item_of
from palo.evaluate.questions import read_questions


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    questions = read_questions(folder / "heldout" / "questions.jsonl", folder)
    return [item_of(question) for question in questions if question.language == code] or None


SOURCE = BenchSource(
    name="scenes",
    title="Held-out scenes",
    licence="Apache-2.0",
    origin="drawn by palo.scenes",
    task="short_answer",
    layout="heldout/questions.jsonl and heldout/images/, as the nano recipe draws them",
    read=_read,
)
