"""Thresholds that scores must reach: `avg_low>=55 fidelity>=0.98`."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from palo import languages
from palo.errors import ConfigError, ThresholdError
from palo.evaluate.leaderboard import Leaderboard, ModelResult

_CLAUSE = re.compile(r"(?<![a-z_])([a-z_]++)\s*(>=|<=|>|<)\s*(-?[0-9]+(?:\.[0-9]+)?)")
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_AVERAGES = {"avg": "all", "avg_high": "high", "avg_low": "low"}
_SHARES = (
    "exact", "relaxed", "chrf", "fidelity", "empty", "repeats", "refuses", "cut_off",
    "hallucinated", "offline",
)  # fmt: skip
_MOST_UNSCORED = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """One clause: a figure and its bound.

    Attributes:
        name: avg, avg_high, avg_low, a language's code (relative scores); exact, relaxed, chrf,
            fidelity, empty, repeats, refuses, cut_off, hallucinated, offline (means over the
            languages, or of one, as in fidelity_ur); unanswered, unscored (shares of questions).
        sign: >=, <=, > or <.
        bound: The bound.
    """

    name: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self.bound:g}"


def read_requirements(text: str) -> tuple[Requirement, ...]:
    """Reads clauses with spaces between them.

    Args:
        text: Such as `avg_low>=55 fidelity>=0.98`.

    Raises:
        ConfigError: If a clause is none, or names no figure.
    """
    rest = _CLAUSE.sub("", text).strip()
    found = [Requirement(name=n, sign=s, bound=float(b)) for n, s, b in _CLAUSE.findall(text)]
    wrong = [rest] if rest else []
    wrong += [one.name for one in found if not _is_known(one.name)]
    if wrong or not found:
        raise ConfigError(
            "a requirement can't be read",
            seen=repr(", ".join(wrong) or text),
            fix=f"Write it as avg_low>=55 fidelity>=0.98; names are {', '.join(_names())}.",
        )
    return tuple(found)


def _names() -> Iterator[str]:
    yield from (*_AVERAGES, "a language's code", *_SHARES, "unanswered", "unscored")


def _is_known(name: str) -> bool:
    share, _, code = name.rpartition("_")
    return (
        name in (*_AVERAGES, *_SHARES, "unanswered", "unscored")
        or languages.known(name)
        or (share in _SHARES and languages.known(code))
    )


def require_thresholds(board: Leaderboard, requirements: tuple[Requirement, ...]) -> None:
    """Requires every model to meet every requirement.

    Where a relative score is required without a bound on `unscored`, at most one question in twenty
    may lack a score: a mean over whatever a judge happened to answer is no score.

    Args:
        board: The results.
        requirements: The clauses.

    Raises:
        ThresholdError: If a figure is below what was required, or isn't known.
    """
    failed = []
    for model in board.models:
        for one in (*requirements, *_implied(requirements)):
            value = figure(board, model, one.name)
            if value is None:
                failed.append(f"{model.name}: {one.name} is not known")
            elif not _COMPARED[one.sign](value, one.bound):
                failed.append(f"{model.name}: {one.name} is {value:.4g}, required {one}")
    if failed:
        raise ThresholdError(
            f"{len(failed)} of the requirements are not met",
            seen="; ".join(failed),
            fix="Look into the report for the questions behind it.",
        )


def _implied(requirements: tuple[Requirement, ...]) -> Iterator[Requirement]:
    names = [one.name for one in requirements]
    is_relative = any(name in _AVERAGES or languages.known(name) for name in names)
    if is_relative and "unscored" not in names:
        yield Requirement(name="unscored", sign="<=", bound=_MOST_UNSCORED)


def figure(board: Leaderboard, model: ModelResult, name: str) -> float | None:
    """Returns a figure of a model; None if it is unknown.

    Args:
        board: The results.
        model: One of its models.
        name: Name of the figure, see `Requirement`.
    """
    total = len(board.bench.items)
    if name == "unanswered":
        return 1 - len(model.answers) / total
    if name == "unscored":
        return None if model.judged is None else len(model.judged.unscored) / total
    if name in _AVERAGES or languages.known(name):
        if model.scores is None:
            return None
        found = model.scores.averages.get(_AVERAGES.get(name, ""))
        found = found or model.scores.by_language.get(name)
        return None if found is None else found.value
    share, _, code = name.rpartition("_")
    if languages.known(code):
        one = model.summaries.get(code)
        return None if one is None else getattr(one, share)
    values = [getattr(one, name) for one in model.summaries.values()]
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
