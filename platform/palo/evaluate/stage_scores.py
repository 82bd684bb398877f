"""Scores of a model in training: measures without a judge, on a few questions a language."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from palo import storage
from palo.evaluate.answering import AnswerSettings, generate_here, load_for_answers
from palo.evaluate.answers.answer import ModelAnswer
from palo.evaluate.benches.item import item_of
from palo.evaluate.measures import Summary, by_language, measure
from palo.evaluate.questions import Question, read_questions


@dataclass(frozen=True, kw_only=True, slots=True)
class StageScores:
    """Scores a stage's model; call it with the stage's folder and the steps that were done.

    Attributes:
        questions: JSON lines of held-out questions.
        images: Folder that their image paths start from.
        per_language: The first so many of each language are asked.
        decoding: How they are answered.
        output: JSON lines, one for each look: step, seconds, a note for people, and all measures
            by language. Lines of later steps go: a stage that goes on does them again.
    """

    questions: Path
    images: Path
    per_language: int
    decoding: AnswerSettings
    output: Path

    def __call__(self, stage: Path, step: int) -> None:
        """Scores the model in a folder."""
        started = time.monotonic()
        questions = first_of_each(read_questions(self.questions, self.images), self.per_language)
        given = generate_here(load_for_answers(stage), questions, self.decoding)
        items = [item_of(question) for question in questions]
        answers = [
            ModelAnswer(key=item.key, text=one.text, finish_reason=one.finish_reason)
            for item, one in zip(items, given, strict=True)
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
    """Reads the scores of a stage, in the order of the steps; none if it has none."""
    return [line for _, line in storage.read_json_lines(path)] if path.exists() else []


def first_of_each(questions: Sequence[Question], count: int) -> list[Question]:
    """Returns the first so many questions of each language."""
    seen: Counter[str] = Counter()
    found = []
    for question in questions:
        seen[question.language] += 1
        if seen[question.language] <= count:
            found.append(question)
    return found


def _note(found: Mapping[str, Summary], step: int) -> str:
    shares = " ".join(f"{code} {one.exact:.0%}" for code, one in found.items())
    mean = sum(one.exact for one in found.values()) / len(found)
    return f"after {step} steps {mean:.1%} exact: {shares}"
