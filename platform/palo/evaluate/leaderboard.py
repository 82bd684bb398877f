"""The results of models on a bench, and the JSON file that other runs are compared with."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from palo import config, storage
from palo.errors import MismatchError
from palo.evaluate.accuracy import Accuracy, accuracy
from palo.evaluate.answers.answer_cache import AnswerSet, ModelAnswer
from palo.evaluate.benches.bench import Bench
from palo.evaluate.judging.scores import Judged
from palo.evaluate.measures import Measures, Summary, by_language, measure
from palo.evaluate.statistics.paired import Difference
from palo.evaluate.statistics.relative import RelativeScores, relative_scores
from palo.machine import hardware, versions
from palo.metrics.chrf import signature

_PACKAGES = ("palo", "sacrebleu", "py3langid")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelResult:
    """The result of one model.

    Attributes:
        name: Its name in reports.
        answers: Its answers, by the questions' keys.
        measures: Measures of each answer that need no judge, by the questions' keys.
        summaries: The same by language.
        defects: What was wrong with its answers, and how often.
        accuracy: Exact match; None where answers aren't short ones.
        judged: The judge's scores; None without a judge.
        scores: Relative scores; None where nothing was scored.
    """

    name: str
    answers: Mapping[str, ModelAnswer]
    measures: Mapping[str, Measures]
    summaries: Mapping[str, Summary]
    defects: Mapping[str, int]
    accuracy: Accuracy | None = None
    judged: Judged | None = None
    scores: RelativeScores | None = None


def model_result(
    bench: Bench, answer_set: AnswerSet, judged: Judged | None = None, *, seed: int = 0
) -> ModelResult:
    """Scores the answers of one model.

    Args:
        bench: The questions.
        answer_set: Its answers.
        judged: A judge's scores of them.
        seed: Seed of the intervals.
    """
    items = [item for item in bench.items if item.key in answer_set.answers]
    task = bench.source.task
    measured = measure(
        items, [answer_set.answers[item.key] for item in items], offline=task == "judged"
    )
    return ModelResult(
        name=answer_set.name,
        answers=answer_set.answers,
        measures={one.item.key: one for one in measured},
        summaries=by_language(measured),
        defects=Counter(answer_set.unanswered.values()),
        accuracy=(
            accuracy(items, [one.exact for one in measured], seed)
            if task == "short_answer" and items
            else None
        ),
        judged=judged,
        scores=relative_scores(judged.scored, seed) if judged and judged.scored else None,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeIdentity:
    """The judge that scored, so that scores of another one are never set beside its own.

    Attributes:
        model: Its name on its server.
        scheme: Hash of its instructions.
        both_orders: Whether each answer was read first and second.
        repeats: How often each order was asked.
    """

    model: str
    scheme: str
    both_orders: bool
    repeats: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaderboard:
    """A bench with the results of some models.

    Attributes:
        bench: The questions.
        models: The models, in the order that they were named in.
        judge: The judge; None without one.
        differences: Each model but the first against the first, by name, then by language.
    """

    bench: Bench
    models: tuple[ModelResult, ...]
    judge: JudgeIdentity | None
    differences: Mapping[str, Mapping[str, Difference]]


def leaderboard_values(board: Leaderboard) -> dict[str, Any]:
    """Returns all of a leaderboard but the answers as JSON values.

    Args:
        board: The results.
    """
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
    if model.accuracy is not None:
        values["accuracy"] = config.to_dict(model.accuracy)
    if model.judged is not None:
        judged = model.judged
        values |= {
            "num_scored": len(judged.scored),
            "unscored": judged.unscored_by_reason,
            "judge_repeats": judged.repeats and judged.repeats._asdict(),
            "judge_orders": judged.orders and judged.orders._asdict(),
            "judge_position_bias": judged.position_bias,
            "judge_foreign_reasons": judged.num_foreign_reasons,
        }
    if model.scores is not None:
        values["scores"] = config.to_dict(model.scores)
    return values


def require_same_bench(path: Path, bench: Bench, judge: JudgeIdentity | None) -> None:
    """Refuses a folder with results of another bench, another version of it, or another judge.

    Args:
        path: The earlier results, which need not exist.
        bench: The bench that is to be scored now.
        judge: The judge that is to score it.

    Raises:
        MismatchError: If they can't be compared.
    """
    if not path.exists():
        return
    earlier, now = storage.read_json(path), _identity(bench, judge)
    for name, value in now.items():
        old = earlier.get(name) if isinstance(earlier, Mapping) else None
        if old != value:
            raise MismatchError(
                f"{path.parent} holds results of another {name}",
                seen=f"{old}, now {value}",
                fix="Choose another output folder; such scores must not stand side by side.",
            )


def _identity(bench: Bench, judge: JudgeIdentity | None) -> dict[str, Any]:
    return {
        "bench": {"name": bench.source.name, "hash": bench.hash},
        "judge": None if judge is None else asdict(judge),
    }
