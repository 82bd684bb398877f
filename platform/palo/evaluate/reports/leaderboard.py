"""All that a report shows: a bench, its judge, and each model's answers, scores and measures."""

from collections.abc import Mapping
from dataclasses import dataclass

from palo.evaluate.answers.answer import ModelAnswer
from palo.evaluate.benches.bench import Bench
from palo.evaluate.judging.judged import Judged
from palo.evaluate.measures import Measures, Summary
from palo.evaluate.statistics.paired import Difference
from palo.evaluate.statistics.relative import RelativeScores


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelResult:
    """What one model came to.

    Attributes:
        name: What reports call it.
        answers: Its answers, by the questions' keys.
        measures: What can be told of each answer without a judge, by the questions' keys.
        summaries: The same by language.
        defects: What was wrong with its answers, and how often.
        judged: The judge's scores; None without a judge.
        scores: Relative scores; None where nothing was scored.
    """

    name: str
    answers: Mapping[str, ModelAnswer]
    measures: Mapping[str, Measures]
    summaries: Mapping[str, Summary]
    defects: Mapping[str, int]
    judged: Judged | None = None
    scores: RelativeScores | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeFacts:
    """Which judge scored, so that scores of another one are never set beside its own.

    Attributes:
        model: Its name on its server.
        scheme: Hash of all words that it was told.
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
    judge: JudgeFacts | None
    differences: Mapping[str, Mapping[str, Difference]]
