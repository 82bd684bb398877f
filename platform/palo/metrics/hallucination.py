"""Hallucination: objects in answers that the image doesn't have (CHAIR), and yes/no answers (POPE).

Sources: A. Rohrbach et al., Object hallucination in image captioning (2018), CHAIR; Y. Li et al.,
    Evaluating object hallucination in large vision-language models (2023), POPE.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from palo.language_files import added_codes, language_words
from palo.metrics.matching import folded

YesOrNo = Literal["yes", "no"]

# Polite words before yes or no, and the words themselves; longer ones before shorter ones.
_POLITE = "जी|জি|জ্বি|جی"
_SPACED_YES = "yes|yeah|oui|si|sí|да|نعم|أجل|हाँ|हां|হ্যাঁ|হ্যা|ہاں"
_SPACED_NO = "no|nope|non|нет|لا|كلا|नहीं|ना|না|নেই|نہیں|نا"
_YES = "はい|ええ|是的|是|有|对"
_NO = "いいえ|いや|没有|没|不是|不|否"


def _beginning(spaced: str, unspaced: str) -> re.Pattern[str]:
    words = "|".join(folded(word) for word in spaced.split("|"))
    polite = "|".join(folded(word) for word in _POLITE.split("|"))
    return re.compile(rf"(?:(?:{polite}) )?(?:(?:{words})(?: |$)|{unspaced})")


@lru_cache(maxsize=8)
def _patterns(added: tuple[str, ...]) -> dict[YesOrNo, re.Pattern[str]]:
    """Returns what an answer of yes and one of no begin with, in the languages added, too."""
    own = {name: _own_words(added, name) for name in ("yes", "no")}
    return {
        "yes": _beginning(_SPACED_YES + own["yes"], _YES),
        "no": _beginning(_SPACED_NO + own["no"], _NO),
    }


def _own_words(added: tuple[str, ...], name: str) -> str:
    words = (word for code in added for word in getattr(language_words(code), name))
    return "".join(f"|{word}" for word in words if folded(word))


@dataclass(frozen=True, kw_only=True, slots=True)
class YesNoScores:
    """Scores of yes/no questions; shares are from 0 to 1, yes is the positive class.

    Attributes:
        num_questions: How many.
        accuracy: Share of right answers; one with neither yes nor no is wrong.
        precision: Of the answers that say yes, the share of right ones; 0 if none does.
        recall: Of the questions whose answer is yes, the share answered so; 0 if there is none.
        f1: Harmonic mean of the two.
        says_yes: Share of answers that say yes; far above that of the right ones is hallucination.
        undecided: Share of answers that say neither.
    """

    num_questions: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    says_yes: float
    undecided: float


def yes_or_no(answer: str) -> YesOrNo | None:
    """Returns whether an answer begins with yes or no, in any language; None if with neither.

    Args:
        answer: The answer.
    """
    words = folded(answer)
    found = [name for name, pattern in _patterns(added_codes()).items() if pattern.match(words)]
    return found[0] if len(found) == 1 else None


def yes_no_scores(pairs: Iterable[tuple[YesOrNo, YesOrNo | None]]) -> YesNoScores:
    """Scores yes/no answers.

    Args:
        pairs: At least one pair of the right answer and the given one.
    """
    answers = list(pairs)
    total = len(answers)
    right_yes = sum(right == given == "yes" for right, given in answers)
    num_yes = sum(given == "yes" for _, given in answers)
    num_positive = sum(right == "yes" for right, _ in answers)
    return YesNoScores(
        num_questions=total,
        accuracy=sum(right == given for right, given in answers) / total,
        precision=right_yes / num_yes if num_yes else 0.0,
        recall=right_yes / num_positive if num_positive else 0.0,
        f1=2 * right_yes / (num_yes + num_positive) if num_yes + num_positive else 0.0,
        says_yes=num_yes / total,
        undecided=sum(given is None for _, given in answers) / total,
    )


class Mentions(NamedTuple):
    """Objects that an answer mentions.

    Attributes:
        mentioned: All of them that have a name in the vocabulary, in its order.
        hallucinated: Those that neither the objects nor the captions of the image have.
    """

    mentioned: tuple[str, ...]
    hallucinated: tuple[str, ...]


def mentions(
    answer: str, objects: Sequence[str], captions: Sequence[str], vocabulary: Sequence[str]
) -> Mentions:
    """Finds the objects in an answer.

    Args:
        answer: The answer.
        objects: Names of the objects in the image.
        captions: Captions of the image.
        vocabulary: Names to look for, in the answer's language.
    """
    found = [name for name in vocabulary if _mentions(answer, name)]
    text = " ".join(captions)
    missing = [name for name in found if name not in objects and not _mentions(text, name)]
    return Mentions(tuple(found), tuple(missing))


def _mentions(text: str, name: str) -> bool:
    """Returns whether a text has a name as a whole word, or in its regular English plural."""
    words = re.escape(folded(name))
    return re.search(rf"(?<!\w){words}(?:e?s)?(?!\w)", folded(text)) is not None
