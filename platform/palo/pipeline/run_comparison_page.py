"""The page of a comparison of two runs: curves over one another, and tables."""

from pathlib import Path

from markupsafe import Markup

from palo import languages, storage
from palo.html.curves import Curve, chart
from palo.html.page import Section, language_label, page, table
from palo.pipeline.run_comparison import RunComparison, RunFiles, StageComparison
from palo.pipeline.run_comparison_text import Cells, equality, score_table, stage_tables
from palo.train.run_charts import TEMPLATES, loss_curves, resource_loss, smooth_curve
from palo.train.stage_state import StageState


def write_run_comparison(
    path: Path, comparison: RunComparison, first: RunFiles, second: RunFiles
) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        comparison: The comparison.
        first: The first run.
        second: The second run.

    Raises:
        StorageError: If it can't be written.
    """
    sections = [
        Section(stage.name, stage.name.capitalize(), _stage(stage, *_states(stage, first, second)))
        for stage in comparison.stages
    ]
    scores = score_table(comparison)
    if scores is not None:
        sections.insert(0, Section("scores", "Final scores", _part(tables=[_table(scores)])))
    subtitle = f"First: {comparison.first}. Second: {comparison.second}."
    storage.write_text(path, page("Two runs compared", subtitle, sections))


def _states(
    stage: StageComparison, first: RunFiles, second: RunFiles
) -> tuple[StageState, StageState]:
    """Finds the stage of both; in the second run a single one may have another name."""
    other = second.stages.get(stage.name)
    return first.stages[stage.name], other or next(iter(second.stages.values()))


def _stage(stage: StageComparison, first: StageState, second: StageState) -> Markup:
    sides = ((first, "first", "first"), (second, "second", "second"))
    speed = [
        smooth_curve(name, one.metrics, [m.num_tokens / m.step_s for m in one.metrics], style)
        for one, name, style in sides
    ]
    losses = [loss_curves(name, one.metrics, style)[1] for one, name, style in sides]
    norms = [
        smooth_curve(name, one.metrics, [m.grad_norm for m in one.metrics], style)
        for one, name, style in sides
    ]
    charts = [
        chart("Loss, mean around the step", losses, unit="nats a token", settles=True),
        chart("Gradient norm, mean around the step", norms, settles=True),
        chart("Speed", speed, unit="tokens a second", from_zero=True),
    ]
    if first.validations and second.validations:
        charts += [_held_out(resource, first, second) for resource in ("high", "low")]
    tables = [_table(cells) for cells in stage_tables(stage) if cells.rows]
    return _part(charts=charts, tables=tables, note=f"{equality(stage).capitalize()}.")


def _held_out(resource: str, first: StageState, second: StageState) -> Markup:
    curves = []
    for one, style in ((first, "first"), (second, "second")):
        found = [(v.step, resource_loss(v, resource)) for v in one.validations]
        known = [(step, loss) for step, loss in found if loss is not None]
        curves.append(Curve(style, [k[0] for k in known], [k[1] for k in known], style))
    return chart(
        f"Held-out loss, mean of {resource}-resource languages", curves, unit="nats a token"
    )


def _table(cells: Cells) -> Markup:
    rows = [
        (language_label(row[0]) if languages.known(row[0]) else row[0], *row[1:])
        for row in cells.rows
    ]
    return table(cells.title, cells.head, rows)


def _part(**values: object) -> Markup:
    return TEMPLATES.render("run_parts.html", **({"charts": (), "tables": (), "note": ""} | values))
