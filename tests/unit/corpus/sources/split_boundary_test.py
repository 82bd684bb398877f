"""Which pieces of an array are read again, and told what."""

from pathlib import Path

import pytest

from palo.corpus.sources import Handover, Piece, misread

NOTHING = Handover(None, None)


def pieces(count=5, form="json"):
    return [
        Piece(
            path=Path("x"), format=form, start=100 * n, end=100 * n + 100, size_bytes=500,
            modified_ns=0,
        )
        for n in range(count)
    ]  # fmt: skip


FITTING = [Handover(1, 110), Handover(110, 230), Handover(230, 301), Handover(301, 400)]


def told(handovers):
    """Returns by number of the piece where it must begin, and whether that is proven."""
    handovers = [*handovers, *[NOTHING] * (5 - len(handovers))]
    return {p.start // 100: (p.first, p.proven) for p in misread(pieces(), handovers)}


def test_pieces_that_fit_are_left_alone():
    assert told([*FITTING, Handover(400, None)]) == {}
    assert told([Handover(1, 450), NOTHING, NOTHING, NOTHING, Handover(450, None)]) == {}
    assert told([Handover(1, None)]) == {}
    lines = pieces(form="jsonl")
    assert misread(lines, [NOTHING] * 5) == []


@pytest.mark.parametrize(
    ("handovers", "wrong"),
    [
        # It missed the first row that it owns, or took something else for it.
        (
            [Handover(1, 110), Handover(150, 230), *FITTING[2:], Handover(400, None)],
            {1: (110, True)},
        ),
        # It found rows within one that reaches over it and its neighbour.
        (
            [Handover(1, 320), Handover(150, 250), Handover(250, 301), Handover(320, None)],
            {1: (320, True), 2: (320, False)},
        ),
        # It found none: nobody knows yet where the next one begins.
        ([Handover(1, 110), NOTHING, *FITTING[2:], Handover(400, None)], {1: (110, True)}),
        # The array seems to end, or ends, before it.
        ([Handover(1, 110), Handover(110, None, True)], {1: (110, True)}),
        ([Handover(1, None), Handover(150, None)], {1: (500, True)}),
        # Two mistakes: the second piece is told what the first made of it.
        (
            [Handover(1, 110), Handover(150, 230), Handover(260, 301), *FITTING[3:]],
            {1: (110, True), 2: (230, False), 4: (400, False)},
        ),
    ],
)  # fmt: skip
def test_a_piece_that_began_elsewhere_is_told_where(handovers, wrong):
    assert told(handovers) == wrong


def test_each_file_of_a_source_begins_anew():
    found = pieces(2) + pieces(2)
    assert misread(found, [Handover(1, None), NOTHING, Handover(1, 110), Handover(110, None)]) == []
