"""Writes the report of a bench: pages, tables, charts, and the values for other runs.

Names in charts are English ones: no font has every script.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palo import languages, storage
from palo.evaluate.leaderboard import Leaderboard, leaderboard_values, require_same_bench
from palo.evaluate.reports.pages import write_pages
from palo.evaluate.reports.tables import Table, as_csv, as_latex, as_markdown, paper_table
from palo.evaluate.statistics.paper import TABLE_1, TABLE_2
from palo.evaluate.statistics.relative import RelativeScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALUES = "scores.json"
"""Name of the file that other runs are compared with."""

_BENCH_OF_THE_PAPER = "llava-wild"
_FULL = 100.0
FEWEST_AXES = 3
"""With fewer languages a radar is a line."""


def write_report(folder: Path, board: Leaderboard) -> Path:
    """Writes report.html with its pages, report.md, tables.tex, scores.csv, scores.json, charts.

    Args:
        folder: Where to.
        board: What it shows.

    Returns:
        The first page.

    Raises:
        MismatchError: If the folder holds results of another bench, version or judge.
        StorageError: If it can't be written.
    """
    storage.ensure_folder(folder)
    require_same_bench(folder / VALUES, board.bench, board.judge)
    scores = {model.name: model.scores for model in board.models if model.scores is not None}
    tables = _tables(board, scores)
    charts = _charts(folder, scores)
    storage.write_json(folder / VALUES, leaderboard_values(board))
    storage.write_text(folder / "scores.csv", as_csv(scores))
    storage.write_text(folder / "report.md", "\n".join(map(as_markdown, tables.values())))
    storage.write_text(folder / "tables.tex", "\n".join(map(as_latex, tables.values())))
    return write_pages(folder, board, tables, charts)


def _tables(board: Leaderboard, scores: Mapping[str, RelativeScores]) -> dict[str, Table]:
    """Returns the paper's tables for its own bench, and one of ours alone for others."""
    if not scores:
        return {}
    if board.bench.source.name != _BENCH_OF_THE_PAPER:
        return {"scores": paper_table("Relative score (%) by language", scores, ())}
    return {
        "table-1": paper_table("Table 1: relative score (%) by language", scores, TABLE_1),
        "table-2": paper_table("Table 2: trained on one language each", scores, TABLE_2),
    }


def _charts(folder: Path, scores: Mapping[str, RelativeScores]) -> dict[str, Path]:
    values = {
        name: {code: one.value for code, one in own.by_language.items()}
        for name, own in scores.items()
    }
    if not values:
        return {}
    charts = {"Models by test language": folder / "heat-map.png"}
    draw_heat_map(folder / "heat-map.png", values)
    if len({code for scores in values.values() for code in scores}) >= FEWEST_AXES:
        charts = {"Models by language": folder / "radar.png", **charts}
        draw_radar(folder / "radar.png", values)
    return charts


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
