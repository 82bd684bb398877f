"""Texts on which a regular expression backtracks if it can, made of its own characters."""

import re
from collections.abc import Iterator
from itertools import product
from re import _constants as op
from re import _parser as parser
from typing import Any

_MOST_CHARACTERS = 9
_MOST_PREFIXES = 8
_TAIL = "\x00"
_OF_CATEGORY = {
    op.CATEGORY_SPACE: " \n",
    op.CATEGORY_NOT_SPACE: "a",
    op.CATEGORY_DIGIT: "1",
    op.CATEGORY_NOT_DIGIT: "a",
    op.CATEGORY_WORD: "a",
    op.CATEGORY_NOT_WORD: " ",
}
_OTHERS = "a \n1.([<-\u0301"
_NESTED = (op.ATOMIC_GROUP, op.ASSERT, op.ASSERT_NOT)
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


def attack_texts(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """Yields beginnings, pieces to repeat, and ends of texts.

    Pieces are the characters that a pattern tells apart, pairs of them, and what its repeats match
    once; beginnings are what stands before each of its repeats.
    """
    tree = list(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    prefixes, bodies = [""], []
    for before, body in _repeats(tree, ""):
        prefixes.append(before)
        bodies.append(body)
    characters = list(dict.fromkeys(_characters(tree)))[:_MOST_CHARACTERS]
    characters = characters or list(_OTHERS)
    pieces = [*characters, *(body for body in bodies if body), _sample(tree) or "a"]
    for prefix in list(dict.fromkeys(prefixes))[:_MOST_PREFIXES]:
        for piece in dict.fromkeys(pieces):
            yield prefix, piece, _TAIL
    for first, second in product(characters, repeat=2):
        yield "", first + second, _TAIL
    for prefix in dict.fromkeys(prefixes):
        if prefix:
            yield "", prefix, _TAIL
            yield "a", prefix, ""


def _repeats(items: Any, before: str) -> Iterator[tuple[str, str]]:
    """Yields for each repeat without an end what comes before it, and what it matches once."""
    for kind, value in items:
        if kind in _REPEATS:
            _, most, body = value
            if most == op.MAXREPEAT:
                yield before, _sample(body)
            yield from _repeats(body, before)
        elif kind is op.SUBPATTERN:
            yield from _repeats(value[3], before)
        elif kind is op.BRANCH:
            for branch in value[1]:
                yield from _repeats(branch, before)
        elif kind is op.ATOMIC_GROUP:
            yield from _repeats(value, before)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            yield from _repeats(value[1], before)
        before += _sample([(kind, value)])


def _sample(items: Any) -> str:
    """Returns a short text that a part of a pattern matches, but for what stands around it."""
    text = ""
    for kind, value in items:
        if kind in _REPEATS:
            least, most, body = value
            text += _sample(body) * min(max(least, 1), most)
        elif kind is op.SUBPATTERN:
            text += _sample(value[3])
        elif kind is op.BRANCH:
            text += _sample(value[1][0])
        elif kind is op.ATOMIC_GROUP:
            text += _sample(value)
        elif kind is op.ASSERT and value[0] < 0:
            text += _sample(value[1])
        elif kind not in (op.ASSERT, op.ASSERT_NOT, op.AT, op.GROUPREF):
            text += next(_characters([(kind, value)]), "")
    return text


def _characters(items: Any) -> Iterator[str]:
    """Yields characters that a pattern tells from others, at least one of each of its sets."""
    for kind, value in items:
        if kind is op.LITERAL:
            yield chr(value)
        elif kind is op.NOT_LITERAL:
            yield from (one for one in _OTHERS if ord(one) != value)
        elif kind is op.ANY:
            yield "a"
        elif kind is op.CATEGORY:
            yield from _OF_CATEGORY[value]
        elif kind is op.IN:
            yield from _of_set(value)
        elif kind in _REPEATS:
            yield from _characters(value[2])
        elif kind is op.SUBPATTERN:
            yield from _characters(value[3])
        elif kind is op.BRANCH:
            for branch in value[1]:
                yield from _characters(branch)
        elif kind in _NESTED:
            yield from _characters(value if kind is op.ATOMIC_GROUP else value[1])


def _of_set(items: Any) -> Iterator[str]:
    if items[0][0] is not op.NEGATE:
        for kind, value in items:
            if kind is op.RANGE:
                yield chr(value[0])
            else:
                yield from _characters([(kind, value)])
        return
    excluded = re.compile("[" + "".join(map(_written, items[1:])) + "]")
    yield from (one for one in _OTHERS if not excluded.match(one))


def _written(item: Any) -> str:
    kind, value = item
    if kind is op.CATEGORY:
        name = str(value).removeprefix("CATEGORY_")
        letter = name.removeprefix("NOT_")[0].lower()
        return f"\\{letter.upper() if name.startswith('NOT_') else letter}"
    if kind is op.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return re.escape(chr(value))
