"""Multilingual LLaVA-Bench (In-the-Wild): 24 images, 60 questions in each of ten languages."""

from collections.abc import Iterable
from pathlib import Path

from palo.evaluate.benches.bench import BenchItem, BenchSource
from palo.evaluate.benches.rows import (
    first_file,
    language_folder,
    read_question_files,
    required_file,
)


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    place = language_folder(folder, code)
    if place is None:
        return None
    return read_question_files(
        required_file(place, code, "question", "questions"),
        required_file(place, code, "answers", "answers_gpt4", "answer"),
        first_file(place, code, "context") or required_file(folder, code, "context"),
        folder / "images",
        code,
    )


SOURCE = BenchSource(
    name="llava-wild",
    title="Multilingual LLaVA-Bench (In-the-Wild)",
    licence="CC BY 4.0; the original English bench is for research use",
    origin="https://huggingface.co/datasets/MBZUAI/multilingual-llava-bench-in-the-wild",
    task="judged",
    layout="images/ and for each language a folder (english/ or en/) with question.jsonl, "
    "answers.jsonl and context.jsonl",
    read=_read,
)
