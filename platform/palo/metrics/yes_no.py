"""Answers to questions of yes or no, in any language: whether a model says yes to what isn't there.

Source: Y. Li et al., Evaluating object hallucination in large vision-language models (2023), POPE.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from palo.metrics.matching import folded

Said = Literal["yes", "no"]

# What may stand before the word in polite answers, and the words; longer ones before shorter ones.
_POLITE = "जी|জি|জ্বি|جی"
_SPACED_YES = "yes|yeah|oui|si|sí|да|نعم|أجل|हाँ|हां|হ্যাঁ|হ্যা|ہاں"
_SPACED_NO = "no|nope|non|нет|لا|كلا|नहीं|ना|না|নেই|نہیں|نا"
_YES = "はい|ええ|是的|是|有|对"
_NO = "いいえ|いや|没有|没|不是|不|否"


def _beginning(spaced: str, unspaced: str) -> re.Pattern[str]:
    words = "|".join(folded(word) for word in spaced.split("|"))
    polite = "|".join(folded(word) for word in _POLITE.split("|"))
    return re.compile(rf"(?:(?:{polite}) )?(?:(?:{words})(?: |$)|{unspaced})")


_SAYS: dict[Said, re.Pattern[str]] = {
    "yes": _beginning(_SPACED_YES, _YES),
    "no": _beginning(_SPACED_NO, _NO),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class YesNo:
    """Answers to questions of yes or no; shares are from 0 to 1, yes is what is looked for.

    Attributes:
        num_questions: How many.
        accuracy: Share of right answers; one that says neither is wrong.
        precision: Of the answers that say yes, the share of right ones; 0 if none does.
        recall: Of the questions whose answer is yes, the share that was answered so; 0 if none is.
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


def said(text: str) -> Said | None:
    """Returns whether an answer begins with yes or no, in any language; None if with neither."""
    words = folded(text)
    found = [name for name, pattern in _SAYS.items() if pattern.match(words)]
    return found[0] if len(found) == 1 else None


def yes_no(pairs: Iterable[tuple[Said, Said | None]]) -> YesNo:
    """Scores answers.

    Args:
        pairs: At least one: what is right, and what was said.
    """
    answers = list(pairs)
    total = len(answers)
    right_yes = sum(right == said == "yes" for right, said in answers)
    num_yes = sum(said == "yes" for _, said in answers)
    wanted = sum(right == "yes" for right, _ in answers)
    return YesNo(
        num_questions=total,
        accuracy=sum(right == said for right, said in answers) / total,
        precision=right_yes / num_yes if num_yes else 0.0,
        recall=right_yes / wanted if wanted else 0.0,
        f1=2 * right_yes / (num_yes + wanted) if num_yes + wanted else 0.0,
        says_yes=num_yes / total,
        undecided=sum(said is None for _, said in answers) / total,
    )
