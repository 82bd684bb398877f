"""LLaVA-Bench (In-the-Wild) as LLaVA published it: English, all files in one folder."""

from collections.abc import Iterable
from pathlib import Path

from palo.evaluate.benches.bench import BenchItem, BenchSource
from palo.evaluate.benches.rows import first_file, read_question_files, required_file


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    questions = first_file(folder, code, "questions")
    if code != "en" or questions is None:
        return None
    return read_question_files(
        questions,
        required_file(folder, code, "answers_gpt4"),
        required_file(folder, code, "context"),
        folder / "images",
        code,
    )


SOURCE = BenchSource(
    name="llava-wild-english",
    title="LLaVA-Bench (In-the-Wild)",
    licence="research use",
    origin="https://huggingface.co/datasets/liuhaotian/llava-bench-in-the-wild",
    task="judged",
    layout="images/, questions.jsonl, answers_gpt4.jsonl and context.jsonl",
    read=_read,
)
