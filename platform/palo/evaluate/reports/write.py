"""Writes a report: pages, tables, charts, and the values for other runs."""

from collections.abc import Mapping
from pathlib import Path

from palo import storage
from palo.evaluate.leaderboard import Leaderboard, leaderboard_values, require_same_bench
from palo.evaluate.reports.charts import FEWEST_AXES, draw_heat_map, draw_radar
from palo.evaluate.reports.pages import write_pages
from palo.evaluate.reports.tables import Table, as_csv, as_latex, as_markdown, paper_table
from palo.evaluate.statistics.paper import TABLE_1, TABLE_2
from palo.evaluate.statistics.relative import RelativeScores

VALUES = "scores.json"
"""Name of the file that other runs are compared with."""

_BENCH_OF_THE_PAPER = "llava-wild"


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
