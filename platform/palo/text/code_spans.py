"""Spans of code and mathematics in a text: markup, spaces and rare characters may be meant there.

A regular expression alone looks for the end of each span that never ends, again and again, which
is quadratic. Here a span can't end if its closing sign stands nowhere behind it, and where each
sign stands for the last time is looked up once.
"""

import re
from collections.abc import Iterator
from functools import cached_property

# Whole spans whose ends are near, and beginnings of those that may reach over lines.
_OPENING = (
    r"(?P<opener>```|\$\$|\\\[|\\\(|\\begin\{(?P<name>\w+\*?)\})"
    r"|`[^`\n]+`|\$(?=\S)[^$\n]*?\S\$(?!\d)"
)
_IN_LINE = re.compile(r"\$(?=\S)[^$\n]*?\S\$(?!\d)")
_END = re.compile(r"\\end\{\w+\*?\}")
_CLOSERS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}


class CodeSpans:
    """Finds code and mathematics, in time that is linear in a text's length.

    Args:
        besides: A regular expression of what else counts, where neither begins.
    """

    def __init__(self, besides: str = "") -> None:
        self._opening = re.compile(f"{_OPENING}|{besides}" if besides else _OPENING)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yields where spans start and end, in their order.

        Args:
            text: Any text.
        """
        place, last = 0, _LastEnds(text)
        while opening := self._opening.search(text, place):
            start, place = opening.span()
            if opening["opener"]:
                end = last.end_of(opening)
                if end is None:
                    place = start + 1
                    continue
                place = end
            yield start, place


class _LastEnds:
    """Where in a text each closing sign stands for the last time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._signs: dict[str, int] = {}

    def end_of(self, opening: re.Match[str]) -> int | None:
        """Returns where the span that was opened ends, at least a character later, if it does."""
        opener, text = opening["opener"], self._text
        if opener == "```":
            end = text.find("```", opening.end())
            return len(text) if end < 0 else end + 3
        if opening["name"]:
            closer = f"\\end{{{opening['name']}}}"
            last = self._environments.get(closer, -1)
        else:
            closer = _CLOSERS[opener]
            last = self._last(closer)
        if last > opening.end():
            return text.index(closer, opening.end() + 1) + len(closer)
        in_line = _IN_LINE.match(text, opening.start()) if opener == "$$" else None
        return in_line and in_line.end()

    def _last(self, closer: str) -> int:
        if closer not in self._signs:
            self._signs[closer] = self._text.rfind(closer)
        return self._signs[closer]

    @cached_property
    def _environments(self) -> dict[str, int]:
        return {end[0]: end.start() for end in _END.finditer(self._text)}


_CODE = CodeSpans()


def code_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yields where code and mathematics start and end in a text, in their order.

    Args:
        text: Any text.
    """
    return _CODE.find(text)
