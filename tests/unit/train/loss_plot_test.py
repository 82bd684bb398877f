import pytest
from PIL import Image

from palo.train.metrics import draw_loss, plot_loss, read_metrics, running_mean


def test_the_mean_is_over_a_twentieth_around_each_place():
    values = [float(place) for place in range(100)]
    means = running_mean(values)
    assert means[50] == 50.0
    assert means[0] == pytest.approx(1.0)
    assert means[99] == pytest.approx(98.0)
    assert running_mean([3.0, 1.0]) == [3.0, 1.0]
    assert running_mean([]) == []


def test_the_image_lies_beside_the_metrics(metrics_file):
    path = plot_loss(metrics_file, "pretrain")
    assert path == metrics_file.with_name("loss.png")
    with Image.open(path) as image:
        assert image.format == "PNG"


def test_every_step_is_drawn(metrics_file):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    draw_loss(axes, read_metrics(metrics_file), colour="C0")
    thin, _ = axes.get_lines()
    assert list(thin.get_xdata()) == list(range(1, 41))
    assert list(thin.get_ydata()) == [4 / (step + 1) for step in range(40)]
