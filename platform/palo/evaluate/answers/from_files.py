"""Answers in files of other programs: LLaVA's form (question_id, text), or lmms-eval's log.

lmms-eval writes such a log with --log_samples. Reasoning before an answer is no part of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palo import languages
from palo.endpoint.reply_text import without_thinking
from palo.errors import DataError
from palo.evaluate.answers.answer_cache import AnswerSet, ModelAnswer
from palo.evaluate.benches.bench import Bench, BenchItem
from palo.evaluate.benches.rows import Row
from palo.evaluate.foreign_rows import read_foreign_rows

_LMMS_ANSWERS = ("filtered_resps", "resps")


def answers_from_files(bench: Bench, name: str, source: str) -> AnswerSet:
    """Reads a model's answers from its files, one for each language.

    Args:
        bench: The questions.
        name: The model's name in reports.
        source: Path of the files, with {language} or {code} in it where there are several.

    Raises:
        DataError: If a file is no file of answers to this bench.
        StorageError: If a file can't be read or is not JSON lines.
    """
    answers: dict[str, ModelAnswer] = {}
    unanswered: dict[str, str] = {}
    for code in bench.codes:
        language = languages.get(code).name.lower()
        path = Path(source.replace("{code}", code).replace("{language}", language))
        items = [item for item in bench.items if item.language == code]
        if not path.is_file():
            unanswered |= {item.key: f"no file {path}" for item in items}
            continue
        found = read_answer_file(path, items)
        answers |= found.answers
        for defect, count in found.defects.items():
            unanswered |= {
                f"{code} {defect} {number}": f"{code}: {defect}" for number in range(count)
            }
    return AnswerSet(
        name=name, answers=answers, unanswered=unanswered, num_cached=len(answers), num_asked=0
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignAnswers:
    """The content of a file of answers.

    Attributes:
        answers: By the questions' keys.
        defects: How many lines or questions are wrong, by what is wrong with them: another
            question's words (stale), an id of no question, no text, no answer, a cut last line.
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
    read = read_foreign_rows(path)
    rows = _in_llava_form(read.rows)
    _require_one_model(path, rows)
    by_id = _by_id(items)
    answers: dict[str, ModelAnswer] = {}
    defects: Counter[str] = Counter(read.defects)
    for row in rows:
        item = by_id.get(row.text("question_id"))
        fault = _fault(row, item)
        if item is None or fault:
            defects[fault] += 1
            continue
        if item.key in answers:
            raise row.wrong("answers a question for the second time", item.question_id)
        answers[item.key] = ModelAnswer(key=item.key, text=without_thinking(row.values["text"]))
    if missing := len(items) - len(answers):
        defects["questions without an answer"] = missing
    if not answers:
        raise DataError(
            f"{path} has no answer to this bench",
            seen=", ".join(f"{count} {name}" for name, count in defects.items()),
            fix="Name the bench and the language that it was written for.",
        )
    return ForeignAnswers(answers=answers, defects=dict(defects))


def _by_id(items: Sequence[BenchItem]) -> dict[str, BenchItem]:
    """Returns questions by id, and by what follows their category if only one has it.

    POPE numbers the questions of each of its files from 1: we put the file's kind before it.
    """
    found = {item.question_id: item for item in items}
    short = [item.question_id.removeprefix(f"{item.category}-") for item in items]
    counts = Counter(short)
    for name, item in zip(short, items, strict=True):
        if counts[name] == 1:
            found.setdefault(name, item)
    return found


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


def _in_llava_form(rows: Sequence[Row]) -> list[Row]:
    """Returns rows in LLaVA's form, one for each document of lmms-eval's log.

    That log has a row for each filter. Where there are several, the answer is what the model said,
    before any of them.
    """
    counts = Counter(str(row.values["doc_id"]) for row in rows if _is_lmms(row))
    made: list[Row] = []
    known: dict[str, Row] = {}
    for row in rows:
        if not _is_lmms(row):
            made.append(row)
            continue
        document = str(row.values["doc_id"])
        has_filters = counts[document] > 1 and "filter" in row.values
        one = _from_lmms(row, _LMMS_ANSWERS[::-1] if has_filters else _LMMS_ANSWERS)
        first = known.setdefault(document, one)
        if first is one or not has_filters or first.values != one.values:
            made.append(one)
    return made


def _is_lmms(row: Row) -> bool:
    return "doc_id" in row.values and any(name in row.values for name in _LMMS_ANSWERS)


def _from_lmms(row: Row, names: Sequence[str]) -> Row:
    """Returns a line of lmms-eval's log in LLaVA's form.

    The question's id is that of its document where the log has it, else that of a score: the logs
    of version 0.7 hold no documents, but many tasks repeat the id there. Else it is its number.

    Raises:
        DataError: If it has no answer, or several.
    """
    answer = next((row.values[name] for name in names if row.values.get(name)), None)
    # A list for each request, and in it one for each repeat.
    while isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, str):
        raise row.wrong("has not one answer", str(answer)[:60])
    holders = (row.values.get("doc"), *row.values.values())
    ids = (one.get("question_id") for one in holders if isinstance(one, Mapping))
    known = next((one for one in ids if one is not None), row.values["doc_id"])
    values = {"question_id": known, "text": answer}
    prompt = row.values.get("input")
    return Row(row.path, row.number, values | ({"prompt": prompt} if prompt else {}))
