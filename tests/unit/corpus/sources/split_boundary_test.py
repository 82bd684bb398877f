"""Which pieces of an array are read again, and told what."""

from pathlib import Path

import pytest

from palo.corpus.sources import Split, SplitBoundary, misread

at = SplitBoundary

NOTHING = at(None, None)


def pieces(count=5, form="json"):
    return [
        Split(
            path=Path("x"), format=form, start=100 * n, end=100 * n + 100, size_bytes=500,
            modified_ns=0,
        )
        for n in range(count)
    ]  # fmt: skip


FITTING = [
    at(1, 110),
    at(110, 230),
    at(230, 301),
    at(301, 400),
]


def told(handovers):
    """Returns by number of the piece where it must begin, and whether that is proven."""
    handovers = [*handovers, *[NOTHING] * (5 - len(handovers))]
    return {p.start // 100: (p.first, p.proven) for p in misread(pieces(), handovers)}


def test_pieces_that_fit_are_left_alone():
    assert told([*FITTING, at(400, None)]) == {}
    assert told([at(1, 450), NOTHING, NOTHING, NOTHING, at(450, None)]) == {}
    assert told([at(1, None)]) == {}
    lines = pieces(form="jsonl")
    assert misread(lines, [NOTHING] * 5) == []


@pytest.mark.parametrize(
    ("handovers", "wrong"),
    [
        # It missed the first row that it owns, or took something else for it.
        (
            [at(1, 110), at(150, 230), *FITTING[2:], at(400, None)],
            {1: (110, True)},
        ),
        # It found rows within one that reaches over it and its neighbour.
        (
            [at(1, 320), at(150, 250), at(250, 301), at(320, None)],
            {1: (320, True), 2: (320, False)},
        ),
        # It found none: nobody knows yet where the next one begins.
        ([at(1, 110), NOTHING, *FITTING[2:], at(400, None)], {1: (110, True)}),
        # The array seems to end, or ends, before it.
        ([at(1, 110), at(110, None, True)], {1: (110, True)}),
        ([at(1, None), at(150, None)], {1: (500, True)}),
        # Two mistakes: the second piece is told what the first made of it.
        (
            [at(1, 110), at(150, 230), at(260, 301), *FITTING[3:]],
            {1: (110, True), 2: (230, False), 4: (400, False)},
        ),
    ],
)  # fmt: skip
def test_a_piece_that_began_elsewhere_is_told_where(handovers, wrong):
    assert told(handovers) == wrong


def test_each_file_of_a_source_begins_anew():
    found = pieces(2) + pieces(2)
    assert (
        misread(
            found,
            [at(1, None), NOTHING, at(1, 110), at(110, None)],
        )
        == []
    )
