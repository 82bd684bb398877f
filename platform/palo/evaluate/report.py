"""The report of a run: its figures, what they were measured with, and the single answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from palo import storage
from palo.evaluate.exact_match import Accuracy, AccuracyShare
from palo.evaluate.questions import Question
from palo.machine import hardware, versions
from palo.metrics.matching import is_match

PACKAGES = ("palo", "torch", "transformers", "peft", "deepspeed", "ray")
_DIGITS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """What the figures of a run depend on, or cost.

    Attributes:
        seeds: Every seed of the run, by what it decides.
        wall_s: Seconds on the clock, by stage.
        peak_memory_gib: Most memory that all processes held together, in GiB.
    """

    seeds: Mapping[str, int]
    wall_s: Mapping[str, float]
    peak_memory_gib: float


def report_values(
    accuracy: Accuracy, without_image: Accuracy | None, facts: RunFacts
) -> dict[str, Any]:
    """Returns a report as JSON values; shares are from 0 to 1, intervals are of 95 %.

    Args:
        accuracy: Exact match with the image.
        without_image: Exact match of the same questions without it, if they were asked.
        facts: What else belongs into it.
    """
    values = _accuracy_values("accuracy", accuracy)
    for resource, share in accuracy.by_resource.items():
        values |= _share_values(f"accuracy_{resource}_resource", share)
    values |= _group_values("accuracy_by_kind", accuracy.by_kind)
    if without_image is not None:
        values |= _share_values("accuracy_without_image", without_image.average)
        by_language = without_image.by_language
        values |= _group_values("accuracy_without_image_by_language", by_language)
    return values | {
        "num_questions": accuracy.average.num_questions,
        "num_questions_by_language": {
            code: share.num_questions for code, share in accuracy.by_language.items()
        },
        "num_images": accuracy.num_images,
        "seeds": dict(facts.seeds),
        "wall_s": {stage: round(seconds, 1) for stage, seconds in facts.wall_s.items()},
        "wall_s_total": round(sum(facts.wall_s.values()), 1),
        "peak_memory_gib": round(facts.peak_memory_gib, 2),
        "hardware": hardware(),
        "versions": versions(PACKAGES),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_report(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a report as JSON.

    Raises:
        StorageError: If it can't be written.
    """
    storage.write_json(path, dict(values))


def write_answers(
    path: Path, questions: Sequence[Question], answers: Mapping[str, Sequence[str]]
) -> None:
    """Writes each question with its answers as one line of JSON, so that people can read why.

    Args:
        path: The file.
        questions: What was asked.
        answers: What was answered, in the order of the questions, by how they were asked.

    Raises:
        StorageError: If it can't be written.
    """
    lines = [
        json.dumps(
            {
                "id": question.id,
                "language": question.language,
                "kind": question.kind,
                "image": question.image.name,
                "question": question.question,
                "right_answer": question.answer,
                "answers": dict(zip(answers, given, strict=True)),
                "is_right": {
                    name: is_match(answer, question.answer)
                    for name, answer in zip(answers, given, strict=True)
                },
            },
            ensure_ascii=False,
        )
        for question, *given in zip(questions, *answers.values(), strict=True)
    ]
    storage.write_text(path, "\n".join([*lines, ""]))


def _accuracy_values(name: str, accuracy: Accuracy) -> dict[str, Any]:
    return _group_values(name, accuracy.by_language) | _share_values(
        f"{name}_average", accuracy.average
    )


def _share_values(name: str, share: AccuracyShare) -> dict[str, Any]:
    return {name: round(share.value, _DIGITS), f"{name}_interval": _interval(share)}


def _group_values(name: str, shares: Mapping[str, AccuracyShare]) -> dict[str, Any]:
    return {
        name: {group: round(share.value, _DIGITS) for group, share in shares.items()},
        f"{name}_interval": {group: _interval(share) for group, share in shares.items()},
    }


def _interval(share: AccuracyShare) -> list[float]:
    return [round(share.low, _DIGITS), round(share.high, _DIGITS)]
