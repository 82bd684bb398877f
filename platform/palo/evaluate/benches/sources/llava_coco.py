"""LLaVA-Bench (COCO): 30 images of COCO's validation set, 90 questions."""

from collections.abc import Iterable
from pathlib import Path

from palo.evaluate.benches.bench import BenchItem, BenchSource
from palo.evaluate.benches.rows import first_file, read_question_files, required_file


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    ending = "" if code == "en" else f"_{code}"
    questions = first_file(folder, code, f"qa90_questions{ending}")
    if questions is None:
        return None
    answers = (f"qa90_gpt4_answer{ending}", f"qa90_gpt4_answers{ending}")
    return read_question_files(
        questions,
        required_file(folder, code, *answers),
        required_file(folder, code, "caps_boxes_coco2014_val_80"),
        folder / "images",
        code,
    )


SOURCE = BenchSource(
    name="llava-coco",
    title="LLaVA-Bench (COCO)",
    licence="questions and answers Apache-2.0 (LLaVA); captions CC BY 4.0 (COCO)",
    origin="https://github.com/haotian-liu/LLaVA, playground/data/coco2014_val_qa_eval, and "
    "llava/eval/table/caps_boxes_coco2014_val_80.jsonl",
    task="judged",
    layout="images/ and qa90_questions.jsonl, qa90_gpt4_answer.jsonl (in other languages with "
    "_ja and the like behind) and caps_boxes_coco2014_val_80.jsonl",
    read=_read,
)
