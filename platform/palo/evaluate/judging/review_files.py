"""Review files of LLaVA's and PALO's scripts, with the defects that they are known for.

Source: llava/eval/eval_gpt_review_bench.py and summarize_gpt_review.py of the LLaVA repository.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palo.errors import DataError
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.benches.rows import Row
from palo.evaluate.foreign_rows import read_foreign_rows
from palo.evaluate.judging.requests import HIGHEST, LOWEST
from palo.evaluate.statistics.relative import ScoredItem

_ANSWERS = 2
_PREFIX = "llava_bench_"
# Fields of the scores and of the judge's words: today's, and those of LLaVA's first text files.
_SCORES = ("tuple", "score")
_WORDS = ("content", "text")
_PARSED = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)[ ,]+([0-9]+(?:\.[0-9]+)?)\s*$")

UNREADABLE = "reviews without two scores, which the script counts as -1"
OUT_OF_RANGE = "scores out of range"
CONTRADICTS = "scores that are not those of the review's first line"
TWICE = "second reviews of one question"
UNKNOWN = "ids of no question"
OTHER_CATEGORY = "reviews under another category than the question's"
STALE = "reviews of another answer than the one in the file of answers"
MISSING = "questions without a review"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviews:
    """The content of a review file.

    Attributes:
        scored: Scores of the sound reviews; the reference was always read first.
        defects: How many reviews or questions are wrong, by what is wrong with them.
        as_published: The score as the script computes it, its -1 for what it couldn't read
            included; None if its divisor is not positive.
    """

    scored: tuple[ScoredItem, ...]
    defects: Mapping[str, int]
    as_published: float | None


def read_reviews(
    path: Path, items: Sequence[BenchItem], answer_ids: Mapping[str, str] | None = None
) -> Reviews:
    """Reads the reviews of one model's answers in one language.

    Args:
        path: JSON lines with question_id, category, content, tuple, answer2_id; or in LLaVA's
            older form with text for content and score for tuple, without categories.
        items: The bench's questions in that language.
        answer_ids: The model's answer ids by question id, to find reviews of older answers, which
            the script keeps when it resumes.

    Raises:
        DataError: If no line is a review of these questions.
        StorageError: If the file can't be read or is not JSON.
    """
    by_id = {item.question_id: item for item in items}
    read = read_foreign_rows(path)
    scored: dict[str, ScoredItem] = {}
    seen: set[str] = set()
    faults: dict[str, str] = {}
    defects: Counter[str] = Counter(read.defects)
    published: list[tuple[float, float]] = []
    for row in read.rows:
        pair = _pair(row)
        published.append(pair or (-1.0, -1.0))
        question_id = str(row.values.get("question_id"))
        seen.add(question_id)
        item = by_id.get(question_id)
        if item is None:
            defects[UNKNOWN] += 1
            continue
        fault = _fault(row, item, pair, answer_ids)
        if pair is None or fault:
            # It may be repeated below, as the scripts do with what failed.
            faults.setdefault(item.key, fault)
        elif item.key in scored:
            defects[TWICE] += 1
        else:
            scored[item.key] = _scored(item, pair)
    defects.update(fault for key, fault in faults.items() if key not in scored)
    if missing := len(by_id.keys() - seen):
        defects[MISSING] = missing
    if not seen & by_id.keys():
        raise DataError(
            f"{path} has no review of this bench",
            seen=f"{len(published)} lines",
            fix="Name the bench and the language that it was written for.",
        )
    reference = sum(one for one, _ in published)
    candidate = sum(other for _, other in published)
    return Reviews(
        scored=tuple(scored.values()),
        defects=dict(defects),
        as_published=100 * candidate / reference if reference > 0 else None,
    )


def _fault(
    row: Row,
    item: BenchItem,
    pair: tuple[float, float] | None,
    answer_ids: Mapping[str, str] | None,
) -> str:
    if pair is None or -1 in pair:
        return UNREADABLE
    if not all(LOWEST <= score <= HIGHEST for score in pair):
        return OUT_OF_RANGE
    first = _first_line(row)
    if first is not None and (float(first[1]), float(first[2])) != pair:
        return CONTRADICTS
    category = str(row.values.get("category", "")).removeprefix(_PREFIX)
    if category and category != item.category:
        return OTHER_CATEGORY
    if answer_ids is not None and row.values.get("answer2_id") != answer_ids.get(item.question_id):
        return STALE
    return ""


def _pair(row: Row) -> tuple[float, float] | None:
    """Returns a review's two scores; None if it has none that can be read."""
    scores = next((row.values[name] for name in _SCORES if name in row.values), None)
    if scores is None and not any(name in row.values for name in _SCORES):
        first = _first_line(row)
        return (float(first[1]), float(first[2])) if first else None
    if not isinstance(scores, list) or len(scores) != _ANSWERS:
        return None
    if any(isinstance(score, bool) or not isinstance(score, int | float) for score in scores):
        return None
    try:
        return float(scores[0]), float(scores[1])
    except OverflowError:  # hundreds of digits
        return None


def _first_line(row: Row) -> re.Match[str] | None:
    """Returns the two scores that a review's text begins with, as the scripts look for them."""
    words = next((row.values[name] for name in _WORDS if name in row.values), None)
    return _PARSED.match(words.partition("\n")[0]) if isinstance(words, str) else None


def _scored(item: BenchItem, pair: tuple[float, float]) -> ScoredItem:
    return ScoredItem(
        key=item.key,
        language=item.language,
        category=item.category,
        image=item.image.name,
        reference=pair[0],
        candidate=pair[1],
    )
