"""Lines, lists and brackets are those of the source."""

import re
from collections.abc import Iterator

from palo.translate.checks.case import CheckCase
from palo.translate.translated import CheckResult, Decision

_ITEM = re.compile(r"^[^\S\n]*+(?:[-*•]|\d+[.)])\s", re.MULTILINE)
_BRACKETS = (("(（", ")）"), ("[", "]"))


def layout(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn with other lines or list items than its source, or unclosed brackets."""
    for side in case.sides:
        source, text = side.locked.text, side.text
        before, after = _num_lines(source), _num_lines(text)
        items = len(_ITEM.findall(source)), len(_ITEM.findall(text))
        reason = ""
        if before != after:
            reason = f"The translation has {after} lines, the source {before}."
        elif items[0] != items[1]:
            reason = f"The translation has {items[1]} list items, the source {items[0]}."
        elif (bracket := _unclosed(text)) and not _unclosed(source):
            reason = f"The brackets {bracket} of the translation don't match."
        if reason:
            yield CheckResult(
                gate="layout",
                decision=Decision.RETRY,
                reason=reason,
                turn=side.number,
                doubt=0.7,
            )


def _num_lines(text: str) -> int:
    return sum(1 for line in text.split("\n") if line.strip())


def _unclosed(text: str) -> str:
    """Returns a pair of brackets that doesn't match, "" if all do.

    Quotation marks aren't looked at: a turn may begin or end within a quotation.
    """
    for opening, closing in _BRACKETS:
        if sum(map(text.count, opening)) != sum(map(text.count, closing)):
            return f"{opening[0]}{closing[0]}"
    return ""
