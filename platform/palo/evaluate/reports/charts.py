"""Figure 1's radar, and the heat map of models by test language.

Names are English ones: no font has every script.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palo import languages, storage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FULL = 100.0
FEWEST_AXES = 3
"""With fewer languages a radar is a line."""


def draw_radar(path: Path, scores: Mapping[str, Mapping[str, float]]) -> None:
    """Draws each model as a ring with one axis for each language.

    Args:
        path: The PNG file to write.
        scores: Relative scores by the model's name, then by ISO 639-1 code.

    Raises:
        StorageError: If it can't be written.
    """
    from matplotlib.figure import Figure

    codes = _codes(scores)
    angles = [2 * np.pi * place / len(codes) for place in range(len(codes))]
    figure = Figure(figsize=(7, 7), dpi=120)
    axes = figure.add_subplot(projection="polar")
    for name, values in scores.items():
        ring = [values.get(code, np.nan) for code in codes]
        axes.plot([*angles, angles[0]], [*ring, ring[0]], marker="o", markersize=3, label=name)
        axes.fill([*angles, angles[0]], [*ring, ring[0]], alpha=0.08)
    axes.set_xticks(angles, [languages.get(code).name for code in codes])
    axes.set_ylim(0, None)
    axes.tick_params(axis="x", pad=14)
    axes.set_title("Relative score (%) by language", pad=30)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False, ncols=3)
    _save(figure, path)


def draw_heat_map(path: Path, scores: Mapping[str, Mapping[str, float]]) -> None:
    """Draws a row for each model and a column for each test language.

    Of models that were trained on one language each, this is the paper's Table 2.

    Args:
        path: The PNG file to write.
        scores: Relative scores by the model's name, then by ISO 639-1 code.

    Raises:
        StorageError: If it can't be written.
    """
    from matplotlib.figure import Figure

    codes = _codes(scores)
    values = np.array([[row.get(code, np.nan) for code in codes] for row in scores.values()])
    figure = Figure(
        figsize=(2.5 + 0.75 * len(codes), 1.5 + 0.4 * len(scores)), dpi=120, layout="constrained"
    )
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="viridis", vmin=0, vmax=max(_FULL, np.nanmax(values)))
    axes.set_aspect("auto")
    axes.set_xticks(range(len(codes)), [languages.get(code).name for code in codes], rotation=30)
    axes.set_yticks(range(len(scores)), list(scores))
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            if np.isfinite(value):
                colour = "white" if value < 0.6 * _FULL else "black"
                axes.text(
                    column, row, f"{value:.1f}", ha="center", va="center", color=colour, fontsize=8
                )
    axes.set_xlabel("test language")
    figure.colorbar(image, label="relative score (%)")
    _save(figure, path)


def _codes(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [code for code in languages.codes() if any(code in row for row in scores.values())]


def _save(figure: "Figure", path: Path) -> None:
    with storage.replacing(path) as partial:
        figure.savefig(partial, format="png", bbox_inches="tight", pad_inches=0.2)
