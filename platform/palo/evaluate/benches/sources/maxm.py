"""MaXM: questions with several right answers, about images of Crossmodal-3600."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from palo import storage
from palo.errors import DataError
from palo.evaluate.benches.bench import BenchItem, BenchSource


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    path = folder / f"maxm_v1_{code}.json"
    return _items(folder, path, code, storage.read_json(path)) if path.is_file() else None


def _items(
    folder: Path,
    path: Path,
    code: str,
    values: Any,  # noqa: ANN401 - JSON values
) -> Iterator[BenchItem]:
    try:
        for image in values["annotations"]:
            for pair in image["qa_pairs"]:
                yield BenchItem(
                    question_id=str(pair["question_id"]),
                    language=code,
                    image=folder / "images" / f"{image['image_id']}.jpg",
                    category="collection" if pair.get("is_collection") else "question",
                    question=pair["question"],
                    references=tuple(pair["answers"]),
                )
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a file of MaXM",
            seen=repr(error),
            fix="Each of its annotations has image_id and qa_pairs with question_id, question "
            "and answers.",
        ) from error


SOURCE = BenchSource(
    name="maxm",
    title="MaXM",
    licence="free for any purpose, Google to be named as the source (the repository's LICENSE); "
    "images CC BY 2.0 (Open Images)",
    origin="https://github.com/google-research-datasets/maxm",
    task="short_answer",
    layout="images/ and maxm_v1_<code>.json",
    read=_read,
)
