"""CPU time and memory of parsers on hostile texts."""

import gc
import math
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from abuse_parts.hostile_texts import Make

Parse = Callable[[str], object]

SCREENED, SMALL, LARGE = 2**12, 2**16, 2**20
"""Characters of a text: for finding a parser's worst texts, and for comparing."""
TOO_LONG_S = 1.5
"""CPU seconds of a smaller text beyond which no larger one is tried."""
FLOOR_S = 0.010
"""CPU time below this is noise: clocks may count in steps of 4 ms."""
_MOST_GROWTH = 2.5
_LIMIT_S = 30.0
_MEASURED_AGAIN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a parser costs on one kind of text.

    Attributes:
        text: Name of the text.
        small_s: CPU seconds at the smaller size.
        large_s: CPU seconds at the larger size; infinite where that would take too long.
    """

    text: str
    small_s: float
    large_s: float


class _OutOfTime(BaseException):
    """No parser takes it for an error of its own."""


@contextmanager
def _at_most(limit_s: float) -> Iterator[None]:
    """Ends what takes more CPU time, as soon as Python looks for signals."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def cpu_s(parse: Parse, text: str, repeats: int = 1) -> float:
    """Returns the least CPU time of some calls; one that takes too long is the last.

    Infinite if that one is stopped.
    """
    best = math.inf
    was_collecting = gc.isenabled()
    gc.disable()  # as timeit does: else a call pays for the objects of all others
    try:
        for _ in range(repeats):
            start = time.process_time()
            with _at_most(_LIMIT_S):
                parse(text)
            best = min(best, time.process_time() - start)
            if best > TOO_LONG_S:
                break
    except _OutOfTime:
        return math.inf
    finally:
        if was_collecting:
            gc.enable()
    return best


def worst_texts(parse: Parse, texts: Mapping[str, Make], most: int) -> list[str]:
    """Returns the names of the texts that cost a parser most, the worst first.

    The first one that takes too long is enough.
    """
    costs: dict[str, float] = {}
    for name, make in texts.items():
        costs[name] = cpu_s(parse, make(SCREENED))
        if costs[name] > TOO_LONG_S:
            return [name]
    worst = sorted(costs, key=lambda name: -costs[name])[: most + _MEASURED_AGAIN]
    for name in worst:  # the first time may have paid for what is loaded once
        costs[name] = min(costs[name], cpu_s(parse, texts[name](SCREENED)))
    return sorted(worst, key=lambda name: -costs[name])[:most]


def cost_at(sizes: tuple[int, int], parse: Parse, name: str, make: Make) -> Cost:
    """Measures a parser on one kind of text, at the larger size if the smaller isn't too long.

    Args:
        sizes: Characters of the smaller text, and of the larger.
        parse: The parser.
        name: Name of the text.
        make: Makes the text.
    """
    small, large = sizes
    small_s = cpu_s(parse, make(small), repeats=2)
    # A text between tells what isn't linear, which the large one might take hours for.
    most_s = 4 * _MOST_GROWTH * max(small_s, FLOOR_S)
    is_too_long = small_s > TOO_LONG_S or cpu_s(parse, make(4 * small), repeats=2) > most_s
    large_s = math.inf if is_too_long else cpu_s(parse, make(large))
    return Cost(text=name, small_s=small_s, large_s=large_s)


def peak_bytes(parse: Parse, text: str) -> int:
    """Returns how much memory a parser takes beyond the text, at most."""
    tracemalloc.start()
    try:
        parse(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
