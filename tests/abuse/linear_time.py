"""Linear time and little memory on hostile texts, as the bench measures it."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

# The parts of the bench lie in no package.
_BENCH = str(Path(__file__).resolve().parents[2] / "jobs" / "bench")
if _BENCH not in sys.path:
    sys.path.append(_BENCH)

from abuse_parts.cpu_cost import (  # noqa: E402
    FLOOR_S,
    Parse,
    cost_at,
    cpu_s,
    peak_bytes,
    worst_texts,
)
from abuse_parts.hostile_texts import Make, hostile_texts  # noqa: E402
from abuse_parts.parsers import PARSERS, Parser  # noqa: E402

__all__ = [
    "PARSERS",
    "Parser",
    "assert_linear",
    "assert_linear_in_bytes",
    "cost_ratio",
    "hostile_texts",
    "peak_bytes",
]

SIZES = 2**14, 2**18
"""Characters of the texts that are compared, with a factor of 16 between them."""
MOST_RATIO = 64
"""Linear parsers have a ratio of 16 and, where a text outgrows the caches, up to 34; quadratic
ones have 256."""
_COMPARED = 1
_TRIES = 3


def cost_ratio(parse: Parse, make: Make, sizes: tuple[int, int] = SIZES) -> float:
    """Returns how much more CPU time a text takes that is 16 times as long.

    Infinite if the shorter one, or one of four times its length, takes too long already.
    """
    cost = cost_at(sizes, parse, "", make)
    return cost.large_s / max(cost.small_s, FLOOR_S)


def assert_linear(parse: Parse, texts: Mapping[str, Make] | None = None) -> None:
    """Fails if a parser isn't linear on the hostile text that costs it most."""
    texts = _every_text() if texts is None else texts
    for name in worst_texts(parse, texts, most=_COMPARED):
        for _ in range(_TRIES):  # a busy machine is no fault of a parser
            ratio = cost_ratio(parse, texts[name])
            if ratio <= MOST_RATIO:
                break
        assert ratio <= MOST_RATIO, (
            f"16 times as much of {name} takes {ratio:.0f} times as long"
            f" (inf: far more than that before the end)"
        )


def assert_linear_in_bytes(
    prepare: Callable[[int], Callable[[], object]], sizes: tuple[int, int] = (2**16, 2**20)
) -> None:
    """Fails if work on input that is 16 times as long takes far more than 16 times as long.

    Args:
        prepare: Returns the work on an input of so many bytes; preparing isn't measured.
        sizes: Bytes of the shorter input and of the longer one.
    """
    for _ in range(_TRIES):  # a busy machine is no fault of the work
        small_s, large_s = (cpu_s(lambda work: work(), prepare(size), repeats=2) for size in sizes)
        ratio = large_s / max(small_s, FLOOR_S)
        if ratio <= MOST_RATIO:
            return
    raise AssertionError(f"16 times the bytes take {ratio:.0f} times as long")


@cache
def _every_text() -> Mapping[str, Make]:
    return hostile_texts()
