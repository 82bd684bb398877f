"""Curves over steps as inline SVG, without scripts: scaled, thinned out, with labelled axes."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from palo.html.page import Templates

WIDTH, HEIGHT = 600, 180
"""Units of a curve's own coordinates; a page stretches them."""

_TEMPLATES = Templates(Path(__file__).parent / "templates")
_MOST_POINTS = 300
_MOST_TICKS = 4
_DIGITS = 3
_SETTLING = 0.05
_STYLES = ("first", "second", "third", "faint")


class Curve(NamedTuple):
    """A curve.

    Attributes:
        name: What it shows, for the key; empty leaves it out of the key.
        steps: (points,) ascending places on the axis.
        values: (points,) values; those that are no numbers are left out.
        style: How it is drawn: first, second, third, or faint, for what is only background.
    """

    name: str
    steps: Sequence[float]
    values: Sequence[float]
    style: str = "first"


def chart(
    title: str,
    curves: Sequence[Curve],
    *,
    unit: str = "",
    from_zero: bool = False,
    settles: bool = False,
) -> Markup:
    """Returns a figure with curves over the same steps.

    The axis spans the curves that aren't faint; what leaves that span is cut off.

    Args:
        title: What it shows.
        curves: The curves.
        unit: Unit of the values, for the title.
        from_zero: Whether the axis begins at zero.
        settles: Whether values fall steeply at first: the axis spans what comes after a twentieth
            of the steps then.

    Raises:
        ValueError: If a curve has an unknown style.
    """
    unknown = {curve.style for curve in curves} - set(_STYLES)
    if unknown:
        raise ValueError(f"curves are drawn as {', '.join(_STYLES)}, not as {unknown.pop()!r}")
    shown = [one for one in map(_finite, curves) if one.values]
    spans = [curve for curve in shown if curve.style != "faint"] or shown
    if not spans:
        return _TEMPLATES.render("chart.html", title=title, unit=unit, empty=True)
    steps = [step for curve in shown for step in (curve.steps[0], curve.steps[-1])]
    first, last = min(steps), max(steps)
    settled = first + (last - first) * _SETTLING if settles else first
    low, high = _span(spans, settled, from_zero=from_zero)
    thinned = [_thinned(curve) for curve in shown]
    return _TEMPLATES.render(
        "chart.html",
        title=title,
        unit=unit,
        empty=False,
        size=(WIDTH, HEIGHT),
        ticks=[(figure(tick), _place(tick, low, high)) for tick in ticks(low, high)],
        curves=[(one.style, _points(one, (first, last), (low, high))) for one in thinned],
        ends=(f"{first:,.0f}", f"{last:,.0f}"),
        latest=[(one.style, one.name, figure(one.values[-1])) for one in shown if one.name],
        key=sum(bool(one.name) for one in shown) > 1,
    )


def sparkline(curve: Curve) -> Markup:
    """Returns a small curve for a cell of a table; nothing of fewer than two points.

    Args:
        curve: The curve.
    """
    curve = _thinned(_finite(curve))
    if len(curve.values) < 2:
        return Markup("")
    span = _span([curve], curve.steps[0], from_zero=False)
    points = _points(curve, (curve.steps[0], curve.steps[-1]), span)
    return _TEMPLATES.render(
        "sparkline.html", style=curve.style, points=points, size=(WIDTH, HEIGHT)
    )


def figure(value: float, digits: int = _DIGITS) -> str:
    """Returns a number as it is read on an axis: with few digits, large ones with separators.

    Args:
        value: The number.
        digits: How many digits of it count.
    """
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}e}"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:,.{max(0, digits - whole)}f}"


def ticks(low: float, high: float) -> list[float]:
    """Returns a few round numbers within a span.

    Args:
        low: Its lower end.
        high: Its upper end, which is higher.
    """
    rough = (high - low) / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    distance = next(power * one for one in (1, 2, 5, 10) if power * one >= rough)
    first = math.ceil(low / distance)
    count = math.floor(high / distance) - first + 1
    return [(first + number) * distance for number in range(count)]


def _finite(curve: Curve) -> Curve:
    """Leaves out what is no number."""
    pairs = zip(curve.steps, curve.values, strict=True)
    kept = [(step, value) for step, value in pairs if math.isfinite(value)]
    return curve._replace(steps=[one[0] for one in kept], values=[one[1] for one in kept])


def _thinned(curve: Curve) -> Curve:
    """Keeps few enough points for a page; what is only background keeps its noise."""
    size = -(-len(curve.values) // _MOST_POINTS)
    if size <= 1:
        return curve
    if curve.style == "faint":
        return curve._replace(steps=curve.steps[::size], values=curve.values[::size])
    starts = range(0, len(curve.values), size)
    means = [
        [statistics.fmean(column[start : start + size]) for start in starts]
        for column in (curve.steps, curve.values)
    ]
    return curve._replace(steps=means[0], values=means[1])


def _span(curves: Sequence[Curve], settled: float, *, from_zero: bool) -> tuple[float, float]:
    """Returns the ends of the axis, with a little room, so that no curve lies on its edge."""
    pairs = [pair for one in curves for pair in zip(one.steps, one.values, strict=True)]
    values = [value for step, value in pairs if step >= settled]
    low, high = min(values), max(values)
    if from_zero:
        low = min(low, 0.0)
    room = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    below = low - room
    return (0.0 if low >= 0 > below else below), high + room


def _place(value: float, low: float, high: float) -> float:
    return round((high - value) / (high - low) * HEIGHT, 1)


def _points(curve: Curve, steps: tuple[float, float], span: tuple[float, float]) -> str:
    first, last = steps
    pairs = list(zip(curve.steps, curve.values, strict=True))
    if len(pairs) == 1:  # a line across
        return " ".join(f"{place},{_place(pairs[0][1], *span)}" for place in (0, WIDTH))
    return " ".join(
        f"{round((step - first) / (last - first) * WIDTH, 1)},{_place(value, *span)}"
        for step, value in pairs
    )
