"""The report of a run: accuracy with and without the image, for the terminal and as JSON."""

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

from palo import languages, storage
from palo.evaluate.accuracy import Accuracy, AccuracyShare
from palo.evaluate.benches.bench import Bench
from palo.evaluate.leaderboard import ModelResult
from palo.machine import hardware, versions

_PACKAGES = ("palo", "torch", "transformers", "peft", "deepspeed", "ray")
_DIGITS = 6
_GAP = "  "
_HEADINGS = ("code", "language", "in itself", "n", "accuracy", "95 % interval")
_WITHOUT = "without image"
_FAITHFUL = "in its language"
# Isolates keep a right-to-left name from turning the numbers beside it around.
_RIGHT_TO_LEFT_ISOLATE, _POP_ISOLATE = "\u2067", "\u2069"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """The seeds and costs of a run.

    Attributes:
        seeds: Every seed of the run, by what it decides.
        wall_s: Wall time in seconds, by step.
        peak_memory_gib: Most memory that all processes held together, in GiB.
    """

    seeds: Mapping[str, int]
    wall_s: Mapping[str, float]
    peak_memory_gib: float


def report_values(
    accuracy: Accuracy,
    without_image: Accuracy | None,
    facts: RunFacts,
    fidelity: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """Returns a report as JSON values; shares are from 0 to 1, intervals are of 95 %.

    Args:
        accuracy: Exact match with the image.
        without_image: Exact match of the same questions without it, if they were asked.
        facts: Seeds and costs.
        fidelity: By language, the share of answers that are in it; empty if it wasn't measured.
    """
    values = _group_values("accuracy", accuracy.by_language)
    values |= _share_values("accuracy_average", accuracy.average)
    for resource, share in accuracy.by_resource.items():
        values |= _share_values(f"accuracy_{resource}_resource", share)
    values |= _group_values("accuracy_by_kind", accuracy.by_kind)
    if without_image is not None:
        values |= _share_values("accuracy_without_image", without_image.average)
        by_language = without_image.by_language
        values |= _group_values("accuracy_without_image_by_language", by_language)
    if fidelity:
        values["fidelity"] = {code: round(share, _DIGITS) for code, share in fidelity.items()}
        values["fidelity_average"] = round(fmean(fidelity.values()), _DIGITS)
    return values | {
        "num_questions": accuracy.average.num_questions,
        "num_questions_by_language": {
            code: share.num_questions for code, share in accuracy.by_language.items()
        },
        "num_images": accuracy.num_images,
        **fact_values(facts),
    }


def fact_values(facts: RunFacts) -> dict[str, Any]:
    """Returns the seeds, costs and versions of a run as JSON values.

    Args:
        facts: Seeds and costs.
    """
    return {
        "seeds": dict(facts.seeds),
        "wall_s": {step: round(seconds, 1) for step, seconds in facts.wall_s.items()},
        "wall_s_total": round(sum(facts.wall_s.values()), 1),
        "peak_memory_gib": round(facts.peak_memory_gib, 2),
        "hardware": hardware(),
        "versions": versions(_PACKAGES),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_answers(path: Path, bench: Bench, models: Sequence[ModelResult]) -> None:
    """Writes each question with its answers as one line of JSON.

    Args:
        path: The file.
        bench: The questions.
        models: The models, each with an answer to every question.

    Raises:
        StorageError: If it can't be written.
    """
    lines = [
        json.dumps(
            {
                "id": item.question_id,
                "language": item.language,
                "kind": item.category,
                "image": item.image.name,
                "question": item.question,
                "right_answer": item.references[0],
                "answers": {model.name: model.answers[item.key].text for model in models},
                "is_right": {model.name: model.measures[item.key].exact for model in models},
            },
            ensure_ascii=False,
        )
        for item in bench.items
    ]
    storage.write_text(path, "\n".join([*lines, ""]))


def _share_values(name: str, share: AccuracyShare) -> dict[str, Any]:
    return {name: round(share.value, _DIGITS), f"{name}_interval": _interval(share)}


def _group_values(name: str, shares: Mapping[str, AccuracyShare]) -> dict[str, Any]:
    return {
        name: {group: round(share.value, _DIGITS) for group, share in shares.items()},
        f"{name}_interval": {group: _interval(share) for group, share in shares.items()},
    }


def _interval(share: AccuracyShare) -> list[float]:
    return [round(share.low, _DIGITS), round(share.high, _DIGITS)]


def accuracy_table(
    accuracy: Accuracy,
    without_image: Accuracy | None = None,
    fidelity: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """Returns accuracy by language and its averages as a table that is aligned in any script.

    Args:
        accuracy: With the image.
        without_image: The same questions without it, for a last column.
        fidelity: By language, the share of answers that are in it, for a column of its own.
    """
    headings = [
        *_HEADINGS,
        *([_FAITHFUL] if fidelity else []),
        *([_WITHOUT] if without_image else []),
    ]

    def figures(
        share: AccuracyShare, codes: Iterable[str], other: AccuracyShare | None
    ) -> list[str]:
        known = [fidelity[code] for code in codes if code in fidelity]
        faithful = [f"{fmean(known):.1%}" if known else "?"] if fidelity else []
        return [
            f"{share.num_questions:,}",
            f"{share.value:.1%}",
            f"{share.low:.1%} to {share.high:.1%}",
            *faithful,
            *([f"{other.value:.1%}"] if other else []),
        ]

    rows = []
    for code, share in accuracy.by_language.items():
        language = languages.get(code)
        name = language.native_name
        if language.direction == "rtl":
            name = f"{_RIGHT_TO_LEFT_ISOLATE}{name}{_POP_ISOLATE}"
        other = without_image.by_language.get(code) if without_image else None
        rows.append([code, language.name, name, *figures(share, [code], other)])
    every = list(accuracy.by_language)
    average = without_image.average if without_image else None
    averages = [["", "average", "", *figures(accuracy.average, every, average)]]
    for resource, share in accuracy.by_resource.items():
        other = without_image.by_resource.get(resource) if without_image else None
        own = [code for code in every if languages.get(code).resource == resource]
        averages.append(["", f"{resource}-resource", "", *figures(share, own, other)])
    return _aligned([headings, *rows], averages)


def kind_table(accuracy: Accuracy) -> str:
    """Returns accuracy by kind of question as a table; kinds of signs are their languages.

    Args:
        accuracy: The accuracy.
    """
    rows = [
        (
            kind,
            f"{share.num_questions:,}",
            f"{share.value:.1%}",
            f"{share.low:.1%} to {share.high:.1%}",
        )
        for kind, share in accuracy.by_kind.items()
    ]
    headings = ("kind", "n", "accuracy", "95 % interval")
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    return "\n".join(
        _GAP.join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (headings, *rows)
    )


def _aligned(rows: Sequence[Sequence[str]], totals: Sequence[Sequence[str]]) -> str:
    num_names = _HEADINGS.index("n")
    columns = zip(*rows, *totals, strict=True)
    widths = [max(map(display_width, column)) for column in columns]

    def line(row: Sequence[str]) -> str:
        cells = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - display_width(cell))
            cells.append(cell + space if number < num_names else space + cell)
        return _GAP.join(cells).rstrip()

    rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    return "\n".join([line(rows[0]), rule, *map(line, rows[1:]), rule, *map(line, totals)])


def display_width(text: str) -> int:
    """Returns how many columns of a terminal a text takes.

    Wide characters take two, marks that combine with the one before and controls none. Vowel signs
    that stand beside their letter (Unicode's Mc) take one.

    Args:
        text: Any text.

    Source: Unicode Standard Annex 11, East Asian Width.
    """
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
