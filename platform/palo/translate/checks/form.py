"""Checks of the form: turns, lines, marks, lengths, ends of sentences."""

import math
import re
from collections.abc import Iterator

from palo.translate.checks.case import CheckCase, Side, fault
from palo.translate.request import MOST_SPANS
from palo.translate.translated import CheckResult, Decision

_ITEM = re.compile(r"^[^\S\n]*+(?:[-*•]|\d+[.)]|[(（]\d+[)）])\s", re.MULTILINE)
_BRACKET_PAIRS = (("(（", ")）"), ("[", "]"))
_ENDS = frozenset(".!?…。！？؟۔।॥:：;；")
_COMMAS = frozenset(",،、，")
_QUESTIONS = frozenset("?？؟")
_QUOTES = "\"'“”‘’„»」』"
# An apostrophe within a word is no quotation mark.
_QUOTE = re.compile(r"[\"“”„«»「」『』‘]|(?<!\w)['’]|['’](?!\w)")
_DOUBLE_QUOTE = re.compile('["“”„«»「」『』]')
_QUOTE_PAIRS = (("«", "»"), ("“", "”"), ("「", "」"), ("『", "』"))
_OPENS_NOTHING = re.compile(r"(?:\w|[?!])([¿¡])|([¿¡])(?=[\s\"”»)]*(?:$|[.?!]))")
_HAVE_CAPITALS = frozenset(("Latn", "Cyrl", "Grek", "Armn"))
_FEWEST_CAPITALS = 8
_MANY_WORDS, _FEWEST_OF_WORDS = 5, 4
_BEGINS_AT_END = re.compile(r"\s*[.?!,;。！？，、；۔؟،।](?!\.)")
_CLOSERS = _QUOTES + "）)]*_ \u00a0\u202f\u200f"
# Short texts vary more: this is divided by the root of the length, and added to the spread.
_CHANCE = 1.5
# With a sentence more or less than the source, this share of the usual limit holds.
_WITH_OTHER_SENTENCES = 0.55
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"'”’»)]|$)|[。！？۔؟।॥]")
_SENTENCE_MARK = re.compile("[.,;:!?،؛؟۔।。，、；：！？…—–«»“”「」]")
_SEVERAL_MARKS = 2
_SHORTER, _MUCH_SHORTER = 0.0, -1.5


def turns(case: CheckCase) -> Iterator[CheckResult]:
    """Yields missing, surplus and empty turns, and turns with too many protected spans.

    Args:
        case: The translation and its source.
    """
    wanted, got = len(case.request.turns), len(case.texts)
    if wanted != got:
        reason = f"The translation has {got} turns, the source {wanted}."
        yield CheckResult(check="turns", decision=Decision.RETRY, reason=reason, doubt=1.0)
        return
    for number, (protected, text) in enumerate(zip(case.request.turns, case.texts, strict=True)):
        if len(protected.spans) > MOST_SPANS:
            count = len(protected.spans)
            yield CheckResult(
                check="turns",
                decision=Decision.QUARANTINE,
                reason=f"The source of this turn holds {count} parts that must stay.",
                turn=number,
                doubt=1.0,
            )
        elif protected.text.strip() and not any(map(str.isalnum, text)):
            yield CheckResult(
                check="turns",
                decision=Decision.RETRY,
                reason="The translation of this turn is empty.",
                turn=number,
                doubt=1.0,
            )


def layout(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn with other lines or list items than its source, or marks without their pair.

    Args:
        case: The translation and its source.
    """
    for side in case.sides:
        source, text = side.protected.text, side.text
        before, after = _num_lines(source), _num_lines(text)
        items = len(_ITEM.findall(source)), len(_ITEM.findall(text))
        reason = ""
        if before != after:
            reason = f"The translation has {after} lines, the source {before}."
        elif items[0] != items[1]:
            reason = f"The translation has {items[1]} list items, the source {items[0]}."
        elif (bracket := _unclosed(text)) and not _unclosed(source):
            reason = f"The brackets {bracket} of the translation don't match."
        elif not _has_quotes(source) and (mark := _lone_quote(side.words)):
            reason = f"The quotation mark {mark} of the translation has no other."
        elif not case.is_spaceless and _is_spelled(side.words):
            reason = "The translation has spaces between its letters."
        elif not case.is_spaceless and _is_joined(side):
            reason = "The translation has no spaces between its words."
        elif _BEGINS_AT_END.match(side.words) and not _BEGINS_AT_END.match(source):
            reason = f"The translation begins with the mark {side.words.lstrip()[0]}."
        elif mark := _misplaced(side.words):
            reason = f"The opening mark {mark} of the translation opens nothing."
        elif side.words.isupper() and _is_in_capitals(case, side):
            reason = "The translation is in capital letters, the source isn't."
        if reason:
            yield fault("layout", side, reason, 0.7)


def _num_lines(text: str) -> int:
    return sum(1 for line in text.split("\n") if line.strip())


def _unclosed(text: str) -> str:
    """Returns a pair of brackets that doesn't match, "" if all do."""
    for opening, closing in _BRACKET_PAIRS:
        if sum(map(text.count, opening)) != sum(map(text.count, closing)):
            return f"{opening[0]}{closing[0]}"
        first, last = (min(map(text.find, marks)) for marks in (opening[:1], closing[:1]))
        if 0 <= last < first:
            return f"{closing[0]}{opening[0]}"
    return ""


def _has_quotes(source: str) -> bool:
    """Returns whether a turn has quotation marks; then it may begin or end within a quotation."""
    return _QUOTE.search(source) is not None


def _lone_quote(text: str) -> str:
    """Returns a quotation mark without the one that opens or closes it, "" if all have theirs."""
    found = _DOUBLE_QUOTE.findall(text)
    if len(found) % 2:
        return str(found[-1])
    return next(
        (last for first, last in _QUOTE_PAIRS if 0 <= text.find(last) < text.find(first)), ""
    )


def _misplaced(text: str) -> str:
    """Returns an opening question or exclamation mark that stands behind its words, "" for none."""
    if "¿" not in text and "¡" not in text:
        return ""
    found = _OPENS_NOTHING.search(text)
    return (found[1] or found[2]) if found else ""


def _is_joined(side: Side) -> bool:
    """Returns whether a turn has far fewer words than its source."""
    num_words = len(side.source.split())
    return num_words >= _MANY_WORDS and len(side.words.split()) * _FEWEST_OF_WORDS < num_words


def _is_spelled(text: str) -> bool:
    """Returns whether most words of a text are single letters."""
    words = text.split()
    return len(words) >= _FEWEST_CAPITALS and sum(len(word) == 1 for word in words) * 2 > len(words)


def _is_in_capitals(case: CheckCase, side: Side) -> bool:
    """Returns whether a turn without a small letter has some in its source."""
    # Other scripts have no capital letters but those of names.
    if _HAVE_CAPITALS.isdisjoint(case.scripts):
        return False
    if sum(map(str.isupper, side.words)) < _FEWEST_CAPITALS:
        return False
    return sum(map(str.islower, side.source)) > sum(map(str.isupper, side.source))


def length(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that is far too short or too long.

    Args:
        case: The translation and its source.
    """
    for side in case.sides:
        spreads = _spreads(case, side)
        if spreads is None:
            continue
        doubt = min(1.0, abs(spreads) / (2 * case.limits.length_spreads))
        most = case.limits.length_spreads
        more = _num_sentences(side.words) - _num_sentences(side.source)
        if more * spreads > 0 or (spreads < 0 and _lacks_beginning(side)):
            most *= _WITH_OTHER_SENTENCES
        if abs(spreads) > most:
            what = "short" if spreads < 0 else "long"
            reason = (
                f"This turn is too {what}: {len(side.text)} characters"
                f" for {len(side.source)} of the source."
            )
            yield fault("length", side, reason, max(0.5, doubt))
        elif doubt > 0.25:
            yield CheckResult(check="length", turn=side.number, doubt=doubt)


def _lacks_beginning(side: Side) -> bool:
    """Returns whether a turn begins with a small letter where its source has a capital one."""
    return side.words.lstrip()[:1].islower() and side.source.lstrip()[:1].isupper()


def ending(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that breaks off, or has lost its question.

    Args:
        case: The translation and its source.
    """
    if not case.language.full_stop:
        return
    for side in case.sides:
        before, after = _last(side.source), _last(side.words)
        if before not in _ENDS:
            continue
        asks = not _QUESTIONS.isdisjoint(side.words)
        if before in _QUESTIONS and not asks:
            yield fault(
                "ending", side, "The source ends in a question, the translation has none.", 0.8
            )
        elif after in _QUESTIONS and _QUESTIONS.isdisjoint(side.source):
            yield CheckResult(check="ending", turn=side.number, doubt=0.4)
        elif _trails_off(side.words) and not _trails_off(side.source):
            yield fault("ending", side, "The translation breaks off in an ellipsis.", 0.8)
        elif after in _COMMAS and before not in _COMMAS:
            yield fault("ending", side, "The translation breaks off at a comma.", 0.8)
        elif after not in _ENDS:
            if _lost_marks(case, side):
                yield fault("ending", side, "The translation has lost its punctuation.", 0.8)
            elif _breaks_off(case, side):
                yield fault(
                    "ending",
                    side,
                    "The translation breaks off: nothing ends its last sentence.",
                    0.8,
                )
            else:
                yield CheckResult(check="ending", turn=side.number, doubt=0.4)


def _num_sentences(text: str) -> int:
    return sum(1 for part in _SENTENCE_END.split(text) if any(map(str.isalnum, part)))


def _trails_off(text: str) -> bool:
    return text.rstrip(_CLOSERS).endswith(("…", "..."))


def _lost_marks(case: CheckCase, side: Side) -> bool:
    """Returns whether a turn has none of the marks that its source has several of."""
    finals = case.profile.finals
    if finals and side.words.rstrip().endswith(finals):
        return False
    if len(_SENTENCE_MARK.findall(side.source)) < _SEVERAL_MARKS:
        return False
    return _SENTENCE_MARK.search(side.words) is None


def _breaks_off(case: CheckCase, side: Side) -> bool:
    """Returns whether a turn without a mark at its end is so short that some of it is missing."""
    text = side.words.rstrip()
    if text.endswith(tuple(_QUOTES)) and side.source.rstrip().endswith(tuple(_QUOTES)):
        return False
    spreads = _spreads(case, side)
    finals = case.profile.finals
    whole = bool(finals) and text.rstrip(_CLOSERS).endswith(finals)
    return spreads is not None and spreads < (_MUCH_SHORTER if whole else _SHORTER)


def _spreads(case: CheckCase, side: Side) -> float | None:
    """Returns the standard deviations from the expected length; None for a short source."""
    before, after = len(side.source.strip()), len(side.words.strip())
    if before < case.limits.shortest or not after:
        return None
    expected = case.profile.length - case.source_profile.length
    spread = math.hypot(case.profile.length_spread, _CHANCE / math.sqrt(before))
    return (math.log(after / before) - expected) / spread


def _last(text: str) -> str:
    return text.rstrip(_CLOSERS)[-1:]
