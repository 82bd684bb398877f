"""A comparison of two runs as tables: cells for the page, lines for the terminal."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from palo.html.curves import figure
from palo.pipeline.run_comparison import Pair, RunComparison, StageComparison
from palo.terminal import one_line

_GAP = "  "
_NONE = "-"
_DIGITS = 4


class Cells(NamedTuple):
    """A table.

    Attributes:
        title: What it shows.
        head: Names of its columns.
        rows: Its cells.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def stage_tables(stage: StageComparison) -> Iterator[Cells]:
    """Yields the tables of a stage.

    Args:
        stage: The stage.
    """
    settings = [(one.name, one.first or _NONE, one.second or _NONE) for one in stage.settings]
    yield Cells("Settings that differ", ("setting", "first", "second"), settings)
    known = [one for one in stage.figures if {one.first, one.second} != {None}]
    yield Cells("Figures", ("", "first", "second", "second / first"), list(map(_numbers, known)))
    if stage.validation_step is not None:
        yield Cells(
            f"Loss on held-out rows after step {stage.validation_step:,}",
            ("", "first", "second", "difference"),
            [_losses(one) for one in stage.losses],
        )


def score_table(comparison: RunComparison) -> Cells | None:
    """Returns the final scores; None where neither run has any.

    Args:
        comparison: The comparison.
    """
    if not comparison.scores:
        return None
    head = ("", "first", "second", "difference (points)")
    return Cells("Final scores: exact match", head, [_shares(one) for one in comparison.scores])


def equality(stage: StageComparison) -> str:
    """Returns in words how far the losses of the same steps lie apart.

    Args:
        stage: The stage.
    """
    if stage.largest_difference is None:
        return "no step was done by both"
    if stage.largest_difference == 0:
        return f"the losses of all {stage.num_common:,} common steps are equal bit for bit"
    return (
        f"losses of the same step differ by up to {stage.largest_difference:.3g}, "
        f"over {stage.num_common:,} common steps"
    )


def comparison_lines(comparison: RunComparison) -> list[str]:
    """Returns the comparison as lines, safe to print.

    Args:
        comparison: The comparison.
    """
    lines = [f"first   {comparison.first}", f"second  {comparison.second}"]
    for stage in comparison.stages:
        lines += ["", f"{stage.name}: {equality(stage)}"]
        for cells in stage_tables(stage):
            lines += ["", *_aligned(cells)]
    scores = score_table(comparison)
    if scores is not None:
        lines += ["", *_aligned(scores)]
    return [one_line(line) for line in lines]


def _aligned(cells: Cells) -> list[str]:
    if not cells.rows:
        return [f"{cells.title}: none"]
    table = [cells.head, *cells.rows]
    widths = [max(len(row[number]) for row in table) for number in range(len(cells.head))]
    lines = []
    for row in table:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(_GAP.join(["", first, *rest]).rstrip())
    return [cells.title, *lines]


def _numbers(pair: Pair) -> tuple[str, ...]:
    ratio = _NONE
    if pair.first and pair.second is not None:
        ratio = f"{pair.second / pair.first:.3f}"
    return (pair.name, _figure(pair.first), _figure(pair.second), ratio)


def _figure(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:,.0f}" if value.is_integer() else figure(value, _DIGITS)


def _losses(pair: Pair) -> tuple[str, ...]:
    difference = _NONE if pair.difference is None else f"{pair.difference:+.4f}"
    values = [_NONE if one is None else f"{one:.4f}" for one in (pair.first, pair.second)]
    return (pair.name, *values, difference)


def _shares(pair: Pair) -> tuple[str, ...]:
    difference = _NONE if pair.difference is None else f"{100 * pair.difference:+.1f}"
    values = [_NONE if one is None else f"{one:.1%}" for one in (pair.first, pair.second)]
    return (pair.name, *values, difference)
