import re

import pytest

from palo.html.curves import HEIGHT, WIDTH, Curve, chart, figure, sparkline, ticks

NAN = float("nan")


def points(markup, style="first"):
    """Returns the points of the curves in a style, each as (x, y)."""
    found = re.findall(rf'<polyline class="{style}" points="([^"]*)"', markup)
    return [[tuple(map(float, pair.split(","))) for pair in one.split()] for one in found]


def test_a_curve_runs_from_edge_to_edge_and_higher_values_are_higher():
    (curve,) = points(chart("Loss", [Curve("mean", [1, 2, 3], [4.0, 2.0, 3.0])]))
    assert [x for x, _ in curve] == [0.0, WIDTH / 2, WIDTH]
    heights = [y for _, y in curve]
    assert 0 < heights[0] < heights[2] < heights[1] < HEIGHT


def test_curves_share_axes():
    markup = chart("x", [Curve("a", [0, 10], [0, 1]), Curve("b", [5, 10], [1, 3], "second")])
    ((first, _),), ((second, end),) = points(markup), points(markup, "second")
    assert (first[0], second[0], end[0]) == (0.0, WIDTH / 2, WIDTH)
    assert first[1] > second[1] > end[1]


def test_what_is_no_number_is_left_out():
    (curve,) = points(chart("x", [Curve("a", [1, 2, 3], [1.0, NAN, 2.0])]))
    assert len(curve) == 2
    assert "nothing yet" in chart("x", [Curve("a", [1], [NAN])])
    assert "nothing yet" in chart("x", [])


def test_long_curves_are_thinned_out_and_end_where_they_ended():
    steps = list(range(1, 10_001))
    markup = chart("x", [Curve("a", steps, [float(step) for step in steps])])
    (curve,) = points(markup)
    assert len(curve) <= 300
    assert ">step 1<" in markup
    assert ">10,000<" in markup
    assert "<strong>10,000</strong>" in markup


def test_a_steep_beginning_and_faint_curves_don_t_widen_the_axis():
    steps = list(range(101))
    falling = [100.0, *[1.0 + step / 100 for step in steps[1:]]]
    (tight,) = points(chart("x", [Curve("a", steps, falling)], settles=True))
    (loose,) = points(chart("x", [Curve("a", steps, falling)]))
    assert tight[0][1] < -HEIGHT < 0 < loose[0][1]
    noisy = Curve("", steps, [50.0] * 101, "faint")
    (curve,) = points(chart("x", [Curve("a", steps, [1.0] * 101), noisy]))
    assert 0 < curve[0][1] < HEIGHT


def test_an_axis_can_begin_at_zero():
    (curve,) = points(chart("x", [Curve("a", [1, 2], [9.0, 10.0])], from_zero=True))
    assert curve[0][1] < HEIGHT / 4


def test_one_point_becomes_a_line_across():
    (curve,) = points(chart("x", [Curve("a", [7], [2.0])]))
    assert [x for x, _ in curve] == [0.0, WIDTH]


def test_names_and_titles_are_text():
    markup = chart("<b>", [Curve("<i>", [1, 2], [1, 2]), Curve("<u>", [1, 2], [1, 2], "second")])
    for tag in ("<b>", "<i>", "<u>"):
        assert tag not in markup


def test_a_style_that_is_unknown_is_refused():
    with pytest.raises(ValueError, match="'green'"):
        chart("x", [Curve("a", [1], [1], "green")])


def test_a_small_curve_needs_two_points():
    assert sparkline(Curve("", [1], [1.0])) == ""
    assert len(points(sparkline(Curve("", [1, 2], [1.0, 2.0])))[0]) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.23456, "1.23"), (0.01234, "0.012"), (123.4, "123"), (29328.4, "29,328"),
        (2e-05, "2.00e-05"), (3e9, "3.00e+09"), (-1.5, "-1.50"),
    ],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0.0, 10.0, [0, 5, 10]),
        (0.95, 2.0, [1.0, 1.5, 2.0]),
        (29000.0, 29600.0, [29000, 29200, 29400, 29600]),
    ],
)
def test_ticks_are_round_numbers_within_the_span(low, high, found):
    assert ticks(low, high) == pytest.approx(found)
