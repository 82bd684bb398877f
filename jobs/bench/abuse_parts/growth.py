"""How the time of every parser grows with its worst text."""

import math

from abuse_parts.cpu_cost import FLOOR_S, LARGE, SMALL, Cost
from abuse_parts.parsers import table, worst_costs
from resuming import say

from palo.benchmark import Figure, spread

_MOST_GROWTH = 20.0
_TOO_LONG_S = 1e9  # JSON has no infinity


def measure_growth() -> list[Figure]:
    """Measures all parsers on the text that costs each most; shows a table of them."""
    rows = list(worst_costs())
    for line in table(iter(rows)):
        say(line)
    costs = [cost for _, cost in rows if cost is not None]
    slowest = max(costs, key=lambda cost: cost.large_s)
    growths = sorted(map(_growth, costs))
    largest = min(growths[-1], _TOO_LONG_S)
    return [
        spread("parsers_measured", [len(costs)], "1"),
        Figure(
            name=f"parsers_largest_growth_of_{LARGE // SMALL}_times_the_text",
            value=largest,
            unit="1",
            low=growths[0],
            high=largest,
            target=_MOST_GROWTH,
            better="lower",
        ),
        spread("parsers_slowest_on_1_mb_s", [min(slowest.large_s, _TOO_LONG_S)], "s"),
    ]


def _growth(cost: Cost) -> float:
    return _TOO_LONG_S if math.isinf(cost.large_s) else cost.large_s / max(cost.small_s, FLOOR_S)
