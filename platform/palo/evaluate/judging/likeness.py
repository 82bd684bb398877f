"""What an answer has in common with its reference, as numbers that mean the same everywhere."""

import math
import re
from collections import Counter
from collections.abc import Mapping

from palo.evaluate.degeneration import refuses, repetition
from palo.metrics.chrf import chrf
from palo.metrics.matching import folded
from palo.text.scripts import letters_by_script

_SIZES = (3, 5)
_NUMBER = re.compile(r"\d+")
_LIST_MARKS = ("**", "- ")
_ENDS = '.!?。।۔؟！？…)”"'

FEATURES = (
    "chrf", "log_length", "log_ratio", "shortfall",
    "recall_3", "new_recall_3", "new_precision_3", "precision_3", "echo_3",
    "recall_5", "new_recall_5", "new_precision_5", "precision_5", "echo_5",
    "script", "repetition", "refuses", "number_recall", "distinct", "lines", "list_marks", "ends",
)  # fmt: skip
"""Names of the numbers, in their order."""


def similarity_features(question: str, answer: str, reference: str) -> list[float]:
    """Returns the numbers that a judge without a model goes by.

    Pieces are runs of three and of five characters of the folded texts; new ones are those that
    the question doesn't have, so that repeating the question gains nothing.

    Args:
        question: The question.
        answer: The answer.
        reference: The reference answer.
    """
    said, wanted, asked = folded(answer), folded(reference), folded(question)
    log_ratio = math.log(max(1, len(said)) / max(1, len(wanted)))
    return [
        chrf(answer, [reference]),
        math.log(max(1, len(said))),
        log_ratio,
        min(0.0, log_ratio),
        *(number for size in _SIZES for number in _overlap(said, wanted, asked, size)),
        _same_scripts(answer, reference),
        repetition(answer),
        float(refuses(answer)),
        _number_recall(said, wanted),
        len(set(_pieces(said, 4))) / max(1, len(said) - 3),
        math.log1p(answer.count("\n")),
        math.log1p(sum(answer.count(mark) for mark in _LIST_MARKS)),
        float(answer.rstrip()[-1:] in tuple(_ENDS)),
    ]


def _overlap(said: str, wanted: str, asked: str, size: int) -> tuple[float, ...]:
    """Returns recall, recall and precision of new pieces, precision, and the question's share."""
    ours, theirs = _pieces(said, size), _pieces(wanted, size)
    question = set(_pieces(asked, size))
    both = sum(min(count, theirs[piece]) for piece, count in ours.items() if piece in theirs)
    new = {piece for piece in theirs if piece not in question}
    own = [piece for piece in ours if piece not in question]
    hits = sum(piece in new for piece in own)
    return (
        both / max(1, theirs.total()),
        hits / max(1, len(new)),
        hits / max(1, len(own)),
        both / max(1, ours.total()),
        (len(ours) - len(own)) / max(1, len(ours)),
    )


def _pieces(text: str, size: int) -> Counter[str]:
    return Counter(text[start : start + size] for start in range(len(text) - size + 1))


def _same_scripts(answer: str, reference: str) -> float:
    """Returns how far both texts are written in the same scripts, from 0 to 1."""
    ours, theirs = _shares(answer), _shares(reference)
    return sum(min(share, theirs.get(script, 0.0)) for script, share in ours.items())


def _shares(text: str) -> Mapping[str, float]:
    letters = letters_by_script(text)
    total = max(1, sum(letters.values()))
    return {script: count / total for script, count in letters.items()}


def _number_recall(said: str, wanted: str) -> float:
    """Returns the share of the reference's numbers in the answer; a half if there are none."""
    theirs = set(_NUMBER.findall(wanted))
    return len(theirs & set(_NUMBER.findall(said))) / len(theirs) if theirs else 0.5
