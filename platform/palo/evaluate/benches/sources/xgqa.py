"""xGQA: GQA's balanced test questions, translated; answers stay English words."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from palo import storage
from palo.errors import DataError
from palo.evaluate.benches.bench import BenchItem, BenchSource

_ASKED = "Answer in English with one word or a short phrase."


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    path = folder / f"testdev_balanced_questions_{code}.json"
    if not path.is_file():
        return None
    rows = storage.read_json(path)
    if not isinstance(rows, Mapping):
        raise DataError(
            f"{path} is not an object of questions by id",
            seen=type(rows).__name__,
            fix="Fetch it again.",
        )
    return [_item(folder, code, key, row) for key, row in rows.items()]


def _item(folder: Path, code: str, key: str, row: Any) -> BenchItem:  # noqa: ANN401 - JSON values
    try:
        kind = row.get("types", {}).get("structural", "question")
        return BenchItem(
            question_id=key,
            language=code,
            image=folder / "images" / f"{row['imageId']}.jpg",
            category=str(kind),
            question=f"{row['question']}\n{_ASKED}",
            references=(row["answer"],),
            answer_language="en",
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"{code} question {key} of xGQA is incomplete",
            seen=repr(error),
            fix="Each needs imageId, question and answer.",
        ) from error


SOURCE = BenchSource(
    name="xgqa",
    title="xGQA",
    licence="CC BY 4.0; images under Visual Genome's terms",
    origin="https://github.com/Adapter-Hub/xGQA",
    task="short_answer",
    layout="images/ and testdev_balanced_questions_<code>.json",
    read=_read,
)
