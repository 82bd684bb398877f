"""Neighbouring pieces of a JSON array check each other: what one leaves, the next must take up."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from palo.corpus.sources.rows import Split


class SplitBoundary(NamedTuple):
    """How a piece that was read fits to its neighbours.

    Attributes:
        first: Where its first row begins; None if none begins in it.
        next: Where the row behind its last one begins; None at the array's end.
        in_doubt: Whether the array seemed to be broken, seen from a place that is not proven.
    """

    first: int | None = None
    next: int | None = None
    in_doubt: bool = False


def misread(pieces: Sequence[Split], handovers: Sequence[SplitBoundary]) -> list[Split]:
    """Finds the pieces that began in a wrong place.

    Args:
        pieces: All pieces of a source, in their order.
        handovers: What reading each of them ended with.

    Returns:
        The pieces to read again, told where to begin. When they have been read the check must be
        made once more, since a piece that began wrong may have ended wrong. The first of them is
        right then, or raises what is wrong with the array; mostly all are.
    """
    wrong: list[Split] = []
    expected: int | None = None
    is_known = True
    for piece, handover in zip(pieces, handovers, strict=True):
        if piece.format != "json":
            continue
        if piece.start == 0:
            expected, is_known = handover.next, True
            continue
        if not is_known and handover.first is not None:
            expected, is_known = handover.first, True  # as good a guess as any
        begins = expected if expected is not None and expected < piece.end else None
        if is_known and (handover.first != begins or handover.in_doubt):
            # Behind the array's end no row begins.
            first = piece.size_bytes if expected is None else expected
            wrong.append(dataclasses.replace(piece, first=first, proven=not wrong))
        if begins is not None:
            expected = handover.next
            is_known = handover.first is not None and not handover.in_doubt
    return wrong
