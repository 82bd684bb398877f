"""Learning which new pieces shorten texts most, on top of a vocabulary that exists.

It is byte-pair encoding that goes on where the old vocabulary ends. A new piece ranks below all
before it, so that a tokenizer takes every old merge first. Each step adds the piece that most pairs
of neighbours would become, and then merges it as the tokenizer itself will: what is counted is what
the new vocabulary gives, and no piece is learned that it never reaches.

Source: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units
(arXiv 1508.07909), algorithm 1, from another start.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

Pair = tuple[str, str]
"""Neighbours in a word, the left one first."""


class Merges(Protocol):
    """Which neighbours a tokenizer merges, and which of them first."""

    def score(self, left: str, right: str) -> float | None:
        """Returns the score of a merge, the highest of which comes first; None for no merge.

        Args:
            left: A part of a word.
            right: The part behind it.
        """

    def add(self, piece: str, pairs: Sequence[Pair]) -> None:
        """Adds a piece below all others.

        Args:
            piece: The piece.
            pairs: The neighbours that were seen to make it.
        """


@dataclass(slots=True)
class _Word:
    symbols: list[str]
    weight: int
    count: int


@dataclass(frozen=True, slots=True)
class WordCount:
    """How often a run of letters occurs.

    Attributes:
        weight: By what it counts: languages of one script can so count alike.
        count: Occurrences.
    """

    weight: int
    count: int


@dataclass(frozen=True, slots=True)
class LearnedPiece:
    """A new piece.

    Attributes:
        text: As the tokenizer's vocabulary writes it.
        pairs: The neighbours that were seen to make it, in alphabetic order.
    """

    text: str
    pairs: tuple[Pair, ...]


def merge_all(symbols: Sequence[str], merges: Merges) -> list[str]:
    """Merges neighbours until no merge is left: the best first, of equal ones the leftmost.

    Args:
        symbols: The parts of a word.
        merges: Merges of the tokenizer.

    Returns:
        The parts that remain.
    """
    parts = list(symbols)
    while len(parts) > 1:
        found = [
            (-score, place)
            for place, pair in enumerate(pairwise(parts))
            if (score := merges.score(*pair)) is not None
        ]
        if not found:
            break
        _, place = min(found)
        parts[place : place + 2] = ["".join(parts[place : place + 2])]
    return parts


class PieceLearner:
    """Learns pieces one by one.

    Args:
        words: The parts of each word under the old vocabulary, with how often it occurs.
        merges: Merges of the tokenizer; those of new pieces are added.
        may_add: Says whether something may become a piece.
        least_count: Fewest occurrences of a new piece in the texts.
    """

    def __init__(
        self,
        words: Mapping[tuple[str, ...], WordCount],
        merges: Merges,
        may_add: Callable[[str], bool],
        least_count: int,
    ) -> None:
        self._merges = merges
        self._may_add = may_add
        self._least_count = least_count
        self._words = [
            _Word(list(symbols), found.weight, found.count)
            for symbols, found in sorted(words.items())
        ]
        self._weights: defaultdict[str, int] = defaultdict(int)
        self._places: defaultdict[str, set[int]] = defaultdict(set)
        self._allowed: dict[str, bool] = {}
        self._added: set[str] = set()
        for number in range(len(self._words)):
            self._count(number, 1)
        self._queue = [(-weight, piece) for piece, weight in self._weights.items()]
        heapq.heapify(self._queue)

    def learn(self, most: int) -> Iterator[LearnedPiece]:
        """Yields new pieces, the most useful first; of equally useful ones by the alphabet.

        Args:
            most: How many at most.
        """
        for _ in range(most):
            piece = self._best()
            if piece is None:
                return
            yield LearnedPiece(piece, self._add(piece))

    def _best(self) -> str | None:
        while self._queue:
            weight, piece = heapq.heappop(self._queue)
            now = self._weights[piece]
            # Where its weight has changed since, a later entry has that of now.
            if now <= 0 or now != -weight or piece in self._added:
                continue
            if sum(self._words[n].count for n in self._places[piece]) >= self._least_count:
                return piece
        return None

    def _add(self, piece: str) -> tuple[Pair, ...]:
        self._added.add(piece)
        touched = sorted(self._places[piece])
        symbols = (self._words[number].symbols for number in touched)
        pairs = {pair for parts in symbols for pair in pairwise(parts) if "".join(pair) == piece}
        self._merges.add(piece, sorted(pairs))
        changed: set[str] = set()
        for number in touched:
            changed |= self._count(number, -1)
            word = self._words[number]
            word.symbols = merge_all(word.symbols, self._merges)
            changed |= self._count(number, 1)
        for one in changed:
            if self._weights[one] > 0:
                heapq.heappush(self._queue, (-self._weights[one], one))
        return tuple(sorted(pairs))

    def _count(self, number: int, sign: int) -> set[str]:
        """Adds a word's pairs to the counts, or takes them away; returns what they would become."""
        word = self._words[number]
        joined = [one for one in map("".join, pairwise(word.symbols)) if self._is_allowed(one)]
        for one in joined:
            self._weights[one] += sign * word.weight
            if sign > 0:
                self._places[one].add(number)
            else:
                self._places[one].discard(number)
        return set(joined)

    def _is_allowed(self, piece: str) -> bool:
        if piece not in self._allowed:
            self._allowed[piece] = self._may_add(piece)
        return self._allowed[piece]
