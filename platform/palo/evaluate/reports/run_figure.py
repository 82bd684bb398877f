"""The figures of a run: accuracy or caption loss, and the training loss of its stages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palo import languages, storage
from palo.evaluate.accuracy import Accuracy, AccuracyShare
from palo.train.metrics import draw_loss, read_metrics

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from palo.evaluate.caption_loss import CaptionLoss

_HIGH, _LOW, _WITHOUT = "#31688e", "#d9772b", "#b5b5b5"
_RIGHT, _WRONG = "#31688e", "#b5b5b5"
_BAR, _PAIRED_BAR = 0.4, 0.35


def plot_report(
    path: Path,
    accuracy: Accuracy,
    without_image: Accuracy | None = None,
    stages: Mapping[str, Path] | None = None,
) -> None:
    """Draws accuracy by language, and the training loss of each stage.

    Args:
        path: The PNG file to write.
        accuracy: Exact match with the image.
        without_image: Exact match without it, for a second bar.
        stages: Metrics file of each stage, by its name; none leaves their panels out.

    Raises:
        StorageError: If it can't be written.
    """
    from matplotlib.figure import Figure

    stages = stages or {}
    figure = Figure(figsize=(12, 8 if stages else 4.5), dpi=120, layout="constrained")
    # One wide panel above, and a row of one panel for each stage below it.
    grid = figure.add_gridspec(2 if stages else 1, max(1, len(stages)))
    draw_accuracy(figure.add_subplot(grid[0, :]), accuracy, without_image)
    for number, (name, metrics) in enumerate(stages.items()):
        _draw_stage(figure.add_subplot(grid[1, number]), number, name, metrics)
    with storage.replacing(path) as partial:
        figure.savefig(partial, format="png")


def draw_accuracy(axes: "Axes", accuracy: Accuracy, without_image: Accuracy | None = None) -> None:
    """Draws a bar with its interval for each language; low-resource ones have another colour.

    Names are the English ones: no font has every script.

    Args:
        axes: Where to draw.
        accuracy: Exact match with the image.
        without_image: Exact match without it, for a second bar.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    known = [languages.get(code) for code in accuracy.by_language]
    colours = [_LOW if language.resource == "low" else _HIGH for language in known]
    shares = list(accuracy.by_language.values())
    handles: list[Artist] = [
        Patch(color=_HIGH, label="high-resource"),
        Patch(color=_LOW, label="low-resource"),
    ]
    shift = _BAR / 2 if without_image else 0.0
    _bars(axes, shares, shift=-shift, colours=colours)
    if without_image:
        others = [without_image.by_language[language.code] for language in known]
        _bars(axes, others, shift=shift, colours=[_WITHOUT] * len(others))
        handles.append(Patch(color=_WITHOUT, label="image withheld"))
    handles.append(Line2D([], [], color="black", linewidth=1, linestyle="--", label="average"))
    axes.axhline(accuracy.average.value, color="black", linewidth=1, linestyle="--", zorder=0)
    axes.set_xticks(range(len(known)), [f"{language.name}\n{language.code}" for language in known])
    axes.set_xlim(-0.6, len(known) - 0.4)
    axes.set_ylim(0, 1.08)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylabel("exact match")
    axes.set_title(_title(accuracy, without_image), loc="left")
    axes.legend(
        handles=handles, ncols=len(handles), frameon=False, loc="lower right", bbox_to_anchor=(1, 1)
    )
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _title(accuracy: Accuracy, without_image: Accuracy | None) -> str:
    title = f"Held-out accuracy: {accuracy.average.value:.1%} on average"
    return title + (f", {without_image.average.value:.1%} without image" if without_image else "")


def _bars(
    axes: "Axes", shares: Sequence[AccuracyShare], *, shift: float, colours: list[str]
) -> None:
    places = [place + shift for place in range(len(shares))]
    errors = [[s.value - s.low for s in shares], [s.high - s.value for s in shares]]
    axes.bar(
        places,
        [s.value for s in shares],
        width=_BAR,
        color=colours,
        yerr=errors,
        error_kw={"elinewidth": 1, "capsize": 2.5, "ecolor": "#333333"},
    )
    for place, share in zip(places, shares, strict=True):
        text = axes.text(place, share.high + 0.015, f"{share.value:.0%}", ha="center", fontsize=8)
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5})


def plot_caption_loss(
    path: Path, losses: Mapping[str, "CaptionLoss"], stages: Mapping[str, Path]
) -> None:
    """Draws the losses as bars, and the training loss of each stage beside them.

    Args:
        path: The PNG file to write.
        losses: Losses on the same photos, by the model's state.
        stages: Metrics file of each stage, by its name.

    Raises:
        StorageError: If it can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), dpi=120, layout="constrained")
    panels = figure.subplots(1, 1 + len(stages), squeeze=False)[0]
    for shift, colour, label, values in (
        (-_PAIRED_BAR / 2, _RIGHT, "right photo", [loss.right_image for loss in losses.values()]),
        (_PAIRED_BAR / 2, _WRONG, "wrong photo", [loss.wrong_image for loss in losses.values()]),
    ):
        places = [index + shift for index in range(len(losses))]
        bars = panels[0].bar(places, values, _PAIRED_BAR, color=colour, label=label)
        panels[0].bar_label(bars, fmt="%.2f")
    panels[0].set_xticks(range(len(losses)), [f"{state} training" for state in losses])
    panels[0].set_ylabel("caption loss, nats a token")
    panels[0].set_title("Held-out photos", loc="left")
    panels[0].legend(loc="lower left")
    for number, (name, metrics) in enumerate(stages.items()):
        _draw_stage(panels[1 + number], number, name, metrics)
    with storage.replacing(path) as partial:
        figure.savefig(partial, format="png")


def _draw_stage(axes: "Axes", number: int, name: str, metrics: Path) -> None:
    draw_loss(axes, read_metrics(metrics), colour=f"C{number + 4}")
    axes.set_title(f"Training loss, {name}", loc="left")
