"""The choice of rows that a report shows."""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from palo import languages, storage
from palo.corpus.report.lookup import find_at
from palo.corpus.report.shards import Dropped, files_of, read_dropped, step_of
from palo.data.corpus_reader import Corpus
from palo.data.manifest import StageCount
from palo.data.records import Record

_FIRST = re.compile(r"of ([^@]+)@(\d+)")


class NearGroup(NamedTuple):
    """Records that say nearly the same.

    Attributes:
        first: The one that stayed, if it can be found.
        others: Some of those that were left out.
        num_others: How many were left out.
    """

    first: Record | None
    others: tuple[Dropped, ...]
    num_others: int


def sample_numbers(
    corpus: Corpus, count: int, seed: int, codes: Iterable[str] | None = None
) -> dict[str, list[int]]:
    """Chooses samples of each language at random, the same ones each time.

    Args:
        corpus: The corpus.
        count: How many of a language, as far as it has so many.
        seed: Decides which ones.
        codes: Languages, in order; None takes all that the corpus has.

    Returns:
        Sample numbers by language, ascending.
    """
    present = set(np.unique(corpus.languages).tolist())
    chosen: dict[str, list[int]] = {}
    for code in [code for code in codes or languages.codes() if code in present]:
        rows = np.flatnonzero(corpus.languages == code)
        rng = np.random.default_rng([seed, zlib.crc32(code.encode())])
        size = min(count, len(rows))
        chosen[code] = sorted(rng.choice(rows, size=size, replace=False).tolist())
    return chosen


def dropped_examples(
    corpus: Path, stages: Sequence[StageCount], count: int
) -> dict[tuple[str, str], list[Dropped]]:
    """Returns the first few rows that were left out, by step and reason.

    Args:
        corpus: Folder of the corpus.
        stages: Counts of each stage, which say what there is to look for.
        count: How many of each.
    """
    wanted = {(stage.name, reason): count for stage in stages for reason in stage.dropped}
    found: dict[tuple[str, str], list[Dropped]] = {key: [] for key in wanted}
    for path in files_of(corpus, "quarantine"):
        step = step_of(path)
        open_reasons = [
            reason for own, reason in found if own == step and len(found[own, reason]) < count
        ]
        if not open_reasons:
            continue
        for row in read_dropped(path, [("reason", "in", open_reasons)]):
            rows = found[step, row.reason]
            if len(rows) < count:
                rows.append(row)
    return {key: rows for key, rows in found.items() if rows}


def near_groups_of(corpus: Path, num_groups: int, num_others: int) -> list[NearGroup]:
    """Returns the largest groups of near duplicates.

    Args:
        corpus: Folder of the corpus.
        num_groups: How many groups.
        num_others: How many of each group's records that were left out.
    """
    paths = [path for path in files_of(corpus, "quarantine") if step_of(path) == "near_duplicate"]
    sizes: Counter[str] = Counter()
    for path in paths:
        sizes.update(storage.read_table(path, columns=["detail"]).column(0).to_pylist())
    # The largest first, and of equal ones always the same.
    details = sorted(sizes, key=lambda detail: (-sizes[detail], detail))[:num_groups]
    others: defaultdict[str, list[Dropped]] = defaultdict(list)
    for path in paths if details else ():
        for row in read_dropped(path, [("detail", "in", details)]):
            if len(others[row.detail]) < num_others:
                others[row.detail].append(row)
    return [
        NearGroup(_first_of(corpus, detail), tuple(others[detail]), sizes[detail])
        for detail in details
    ]


def _first_of(corpus: Path, detail: str) -> Record | None:
    match = _FIRST.fullmatch(detail)
    return None if match is None else find_at(corpus, match[1], int(match[2])).record


def in_order(counts: Mapping[str, int]) -> list[str]:
    """Returns languages in the registry's order, then what the registry lacks.

    Args:
        counts: Values by language.
    """
    known = [code for code in languages.codes() if code in counts]
    return known + sorted(set(counts) - set(known))
