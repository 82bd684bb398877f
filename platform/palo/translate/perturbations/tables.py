"""Tables of what the gates catch, for people."""

from collections.abc import Mapping

from palo.translate.checks.run import GATES
from palo.translate.perturbations.kinds import KINDS
from palo.translate.perturbations.measuring import Measured
from palo.translate.perturbations.share import RateWithInterval, total


def table(measured: Mapping[str, Measured]) -> str:
    """Returns the shares that were caught by kind, and refused, for each language.

    Args:
        measured: What was measured, by the heading of its column.
    """
    rows = [("kind", *measured, "all")]
    for kind in KINDS:
        shares = [one.caught[kind] for one in measured.values()]
        rows.append((kind, *map(_shown, shares), _shown(total(shares), spread=True)))
    sums = [total(one.caught.values()) for one in measured.values()]
    rows.append(("all kinds caught", *map(_shown, sums), _shown(total(sums), spread=True)))
    shares = [one.refused for one in measured.values()]
    rows.append(("untouched refused", *map(_shown, shares), _shown(total(shares), spread=True)))
    for gate in GATES:
        counts = [one.by_gate.get(gate, 0) for one in measured.values()]
        if any(counts):
            rows.append((f"  by {gate}", *map(str, counts), str(sum(counts))))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(lines)


def _shown(share: RateWithInterval, *, spread: bool = False) -> str:
    if not share.total:
        return "-"
    shown = f"{100 * share.value:.1f} % of {share.total}"
    low, high = share.interval
    return f"{shown} [{100 * low:.1f}, {100 * high:.1f}]" if spread else shown
