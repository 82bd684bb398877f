"""Answers that another program wrote: in LLaVA's form (question_id, text), or lmms-eval's log."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palo.errors import DataError
from palo.evaluate.answers.answer import ModelAnswer
from palo.evaluate.answers.lmms_log import answer_row, is_lmms_row
from palo.evaluate.benches.item import BenchItem
from palo.evaluate.benches.rows import Row, read_rows


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignAnswers:
    """What is in a file of answers.

    Attributes:
        answers: By the questions' keys.
        defects: How many lines or questions are wrong, by what is wrong with them: another
            question's words (stale), an id of no question, no text, no answer.
    """

    answers: Mapping[str, ModelAnswer]
    defects: Mapping[str, int]


def read_answer_file(path: Path, items: Sequence[BenchItem]) -> ForeignAnswers:
    """Reads answers in one language. They are found by id, and by the question that they repeat.

    Args:
        path: The file.
        items: The bench's questions in that language.

    Raises:
        DataError: If it holds answers of two models, two answers to one question, or none at all
            to these questions.
        StorageError: If it can't be read or is not JSON lines.
    """
    rows = [answer_row(row) if is_lmms_row(row) else row for row in read_rows(path)]
    _require_one_model(path, rows)
    asked = {item.question_id: item for item in items}
    answers: dict[str, ModelAnswer] = {}
    defects: Counter[str] = Counter()
    for row in rows:
        item = asked.get(row.text("question_id"))
        fault = _fault(row, item)
        if item is None or fault:
            defects[fault] += 1
            continue
        if item.key in answers:
            raise row.wrong("answers a question for the second time", item.question_id)
        answers[item.key] = ModelAnswer(key=item.key, text=row.values["text"])
    if missing := len(items) - len(answers):
        defects["questions without an answer"] = missing
    if not answers:
        raise DataError(
            f"{path} has no answer to this bench",
            seen=", ".join(f"{count} {name}" for name, count in defects.items()),
            fix="Name the bench and the language that it was written for.",
        )
    return ForeignAnswers(answers=answers, defects=dict(defects))


def _fault(row: Row, item: BenchItem | None) -> str:
    if item is None:
        return "ids of no question"
    prompt = row.values.get("prompt")
    # LLaVA's scripts may put the image's mark before the words.
    if isinstance(prompt, str) and item.question.strip() not in prompt:
        return "answers to other words than the question's"
    if not isinstance(row.values.get("text"), str):
        return "lines without text"
    return ""


def _require_one_model(path: Path, rows: Sequence[Row]) -> None:
    models = {row.values["model_id"] for row in rows if isinstance(row.values.get("model_id"), str)}
    if len(models) > 1:
        raise DataError(
            f"{path} holds answers of more than one model",
            seen=", ".join(sorted(models)),
            fix="Put each model's answers into a file of its own.",
        )
