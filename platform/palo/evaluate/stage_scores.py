"""Scores of a model during training: measures without a judge, on a few questions a language."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from palo import storage
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.benches.sources.scenes import read_questions
from palo.evaluate.generation import AnswerSettings, generate, load_for_answers
from palo.evaluate.measures import Summary, by_language, measure


@dataclass(frozen=True, kw_only=True, slots=True)
class StageScores:
    """Scores a stage's model while it is trained.

    Attributes:
        questions: JSON lines of held-out questions.
        images: Folder that their image paths start from.
        per_language: Number of questions of each language, the first ones of the file.
        decoding: How they are answered.
        output: JSON lines, one for each evaluation: step, seconds, a note for people, and all
            measures by language. Lines of later steps are deleted: a resumed stage repeats them.
    """

    questions: Path
    images: Path
    per_language: int
    decoding: AnswerSettings
    output: Path

    def __call__(self, stage: Path, step: int) -> None:
        """Scores a model and appends to `output`.

        Args:
            stage: The stage's folder.
            step: Steps that were done.
        """
        started = time.monotonic()
        items = first_of_each(read_questions(self.questions, self.images), self.per_language)
        generations = generate(load_for_answers(stage), items, self.decoding)
        answers = [
            ModelAnswer(key=item.key, text=one.text, finish_reason=one.finish_reason)
            for item, one in zip(items, generations, strict=True)
        ]
        found = by_language(measure(items, answers))
        line = {
            "step": step,
            "seconds": round(time.monotonic() - started, 2),
            "note": _note(found, step),
            "by_language": {code: asdict(one) for code, one in found.items()},
        }
        earlier = [one for one in read_stage_scores(self.output) if one["step"] < step]
        lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in (*earlier, line))
        storage.write_text(self.output, "".join(lines))


def read_stage_scores(path: Path) -> list[dict[str, Any]]:
    """Reads the scores of a stage, in the order of the steps; none if it has none.

    Args:
        path: The stage's scores.jsonl.
    """
    return [line for _, line in storage.read_json_lines(path)] if path.exists() else []


def first_of_each(items: Sequence[BenchItem], count: int) -> list[BenchItem]:
    """Returns the first questions of each language.

    Args:
        items: The questions.
        count: How many of each language.
    """
    seen: Counter[str] = Counter()
    found = []
    for item in items:
        seen[item.language] += 1
        if seen[item.language] <= count:
            found.append(item)
    return found


def _note(found: Mapping[str, Summary], step: int) -> str:
    shares = " ".join(f"{code} {one.exact:.0%}" for code, one in found.items())
    mean = sum(one.exact for one in found.values()) / len(found)
    return f"after {step} steps {mean:.1%} exact: {shares}"
