"""A board as JSON values: the file that other runs are compared with."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from palo import config, storage
from palo.errors import MismatchError
from palo.evaluate.benches.bench import Bench
from palo.evaluate.reports.leaderboard import JudgeFacts, Leaderboard, ModelResult
from palo.machine import hardware, versions
from palo.metrics.chrf import signature

_PACKAGES = ("palo", "sacrebleu", "py3langid")


def leaderboard_values(board: Leaderboard) -> dict[str, Any]:
    """Returns everything but the answers themselves."""
    source = board.bench.source
    return {
        **_identity(board.bench, board.judge),
        "title": source.title,
        "licence": source.licence,
        "origin": source.origin,
        "num_questions": len(board.bench.items),
        "chrf": signature(),
        "models": {model.name: _model(model) for model in board.models},
        "differences_to_first": {
            name: {group: asdict(one) | {"note": one.note()} for group, one in groups.items()}
            for name, groups in board.differences.items()
        },
        "hardware": hardware(),
        "versions": versions(_PACKAGES),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _model(model: ModelResult) -> dict[str, Any]:
    values: dict[str, Any] = {
        "num_answers": len(model.answers),
        "defects": dict(model.defects),
        "measures": {code: asdict(one) for code, one in model.summaries.items()},
    }
    if model.judged is not None:
        judged = model.judged
        values |= {
            "num_scored": len(judged.scored),
            "unscored": judged.unscored_by_reason,
            "judge_repeats": judged.repeats and judged.repeats._asdict(),
            "judge_orders": judged.orders and judged.orders._asdict(),
            "judge_first_place": judged.first_place,
            "judge_reasons_elsewhere": judged.num_reasons_elsewhere,
        }
    if model.scores is not None:
        values["scores"] = config.to_dict(model.scores)
    return values


def require_same_bench(path: Path, bench: Bench, judge: JudgeFacts | None) -> None:
    """Refuses a folder with results of another bench, another version of it, or another judge.

    Args:
        path: The earlier results, which need not exist.
        bench: What is to be scored now.
        judge: Who is to judge it.

    Raises:
        MismatchError: If they can't be compared.
    """
    if not path.exists():
        return
    earlier, now = storage.read_json(path), _identity(bench, judge)
    for name, value in now.items():
        if _of(earlier, name) != value:
            raise MismatchError(
                f"{path.parent} holds results of another {name}",
                seen=f"{_of(earlier, name)}, now {value}",
                fix="Choose another output folder; such scores must not stand side by side.",
            )


def _identity(bench: Bench, judge: JudgeFacts | None) -> dict[str, Any]:
    return {
        "bench": {"name": bench.source.name, "hash": bench.hash},
        "judge": None if judge is None else asdict(judge),
    }


def _of(values: object, name: str) -> object:
    return values.get(name) if isinstance(values, Mapping) else None
