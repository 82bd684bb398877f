"""Curves and tables about stages, for the page of one run and for that of two."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from palo import languages
from palo.html.curves import Curve, chart, sparkline
from palo.html.page import Templates, language_label, table
from palo.machine import GIB
from palo.train.metrics import running_mean

if TYPE_CHECKING:
    from palo.train.metrics import StepMetrics
    from palo.train.validation import Validation

TEMPLATES = Templates(Path(__file__).parent / "templates")
"""Templates of both pages."""


def loss_curves(
    name: str, metrics: "Sequence[StepMetrics]", style: str = "first"
) -> tuple[Curve, Curve]:
    """Returns the loss of each step, faint, and its running mean.

    Args:
        name: Name of the mean.
        metrics: The steps.
        style: How the mean is drawn.
    """
    finite = [m for m in metrics if math.isfinite(m.loss)]
    steps, losses = [m.step + 1 for m in finite], [m.loss for m in finite]
    return Curve("", steps, losses, "faint"), Curve(name, steps, running_mean(losses), style)


def smooth_curve(
    name: str,
    metrics: "Sequence[StepMetrics]",
    values: Sequence[float | None],
    style: str = "first",
) -> Curve:
    """Returns the running mean of one value of each step.

    Args:
        name: Name of the curve.
        metrics: The steps.
        values: The value of each; None where it isn't known.
        style: How it is drawn.
    """
    known = [
        (m.step + 1, value) for m, value in zip(metrics, values, strict=True) if value is not None
    ]
    return Curve(name, [k[0] for k in known], running_mean([k[1] for k in known]), style)


def step_charts(metrics: "Sequence[StepMetrics]") -> list[Markup]:
    """Returns the curves of a stage's steps.

    Args:
        metrics: The steps.
    """
    rates = {part for m in metrics for part in m.learning_rates}
    styles = dict(zip(sorted(rates), ("first", "second"), strict=False))
    return [
        chart(
            "Loss", loss_curves("mean around the step", metrics), unit="nats a token", settles=True
        ),
        chart(
            "Learning rate",
            [
                Curve(
                    part.replace("_", " "),
                    [m.step + 1 for m in metrics],
                    [m.learning_rates.get(part, float("nan")) for m in metrics],
                    style,
                )
                for part, style in styles.items()
            ],
        ),
        chart(
            "Gradient norm, before clipping",
            [smooth_curve("mean around the step", metrics, [m.grad_norm for m in metrics])],
            settles=True,
        ),
        chart(
            "Speed",
            [
                smooth_curve(
                    "mean around the step", metrics, [m.num_tokens / m.step_s for m in metrics]
                )
            ],
            unit="tokens a second, all workers",
            from_zero=True,
        ),
        _efficiency(metrics),
        chart(
            "Wait for data",
            [
                smooth_curve("mean worker", metrics, [_percent(m, m.data_wait_s) for m in metrics]),
                smooth_curve(
                    "slowest worker",
                    metrics,
                    [_percent(m, m.max_data_wait_s) for m in metrics],
                    "second",
                ),
            ],
            unit="% of the step",
            from_zero=True,
        ),
        chart(
            "Memory of the largest worker",
            [
                smooth_curve("now", metrics, [_gib(m.memory_bytes) for m in metrics]),
                smooth_curve(
                    "peak", metrics, [_gib(m.peak_memory_bytes) for m in metrics], "second"
                ),
            ],
            unit="GiB",
            from_zero=True,
        ),
    ]


def _efficiency(metrics: "Sequence[StepMetrics]") -> Markup:
    if any(m.mfu is not None for m in metrics):
        values = [None if m.mfu is None else 100 * m.mfu for m in metrics]
        return chart(
            "MFU", [smooth_curve("mean around the step", metrics, values)], unit="%", from_zero=True
        )
    rates = [None if m.model_flops is None else m.model_flops / m.step_s / 1e9 for m in metrics]
    curve = smooth_curve("mean around the step", metrics, rates)
    return chart("Operations of the model", [curve], unit="GFLOP/s, all workers", from_zero=True)


def _percent(metrics: "StepMetrics", seconds: float | None) -> float | None:
    return None if seconds is None else 100 * seconds / metrics.step_s


def _gib(size: int | None) -> float | None:
    return None if size is None else size / GIB


def validation_chart(validations: "Sequence[Validation]") -> Markup:
    """Returns the mean loss of high- and of low-resource languages on held-out rows.

    Args:
        validations: The evaluations.
    """
    groups = {"high": "first", "low": "second"}
    curves = []
    for resource, style in groups.items():
        found = [(one.step, resource_loss(one, resource)) for one in validations]
        known = [(step, loss) for step, loss in found if loss is not None]
        curves.append(
            Curve(
                f"{resource}-resource languages",
                [k[0] for k in known],
                [k[1] for k in known],
                style,
            )
        )
    return chart("Loss on held-out rows", curves, unit="nats a token, mean over languages")


def resource_loss(validation: "Validation", resource: str) -> float | None:
    """Returns the mean loss of the languages of a resource class; None where there are none.

    Args:
        validation: The evaluation.
        resource: "high" or "low".
    """
    losses = [
        one.loss
        for code, one in validation.languages.items()
        if languages.known(code) and languages.get(code).resource == resource
    ]
    return statistics.fmean(losses) if losses else None


def validation_table(validations: "Sequence[Validation]") -> Markup:
    """Returns the loss by language: first, latest, best, and its course.

    Args:
        validations: The evaluations, at least one.
    """
    rows: list[tuple[str | Markup, ...]] = []
    for name, resource, losses in _loss_rows(validations):
        steps = [one.step for one in validations if losses.get(one.step) is not None]
        values = [losses[step] for step in steps]
        best = min(range(len(values)), key=values.__getitem__)
        rows.append(
            (
                language_label(name) if languages.known(name) else name,
                f"{values[-1]:.3f}",
                change(values[-1] - values[0]) if len(values) > 1 else "",
                f"{values[0]:.3f}",
                f"{values[best]:.3f} at {steps[best]:,}",
                sparkline(Curve("", steps, values, "second" if resource == "low" else "first")),
                *_counts(validations[-1], name),
                resource,
            )
        )
    head = ("", "latest", "change", "first", "best", "course", "rows", "tokens", "resource")
    return table("Loss in nats a token on held-out rows", head, rows)


def _loss_rows(
    validations: "Sequence[Validation]",
) -> list[tuple[str, str, Mapping[int, float]]]:
    """Returns name, resource and losses by step: languages, then means over them."""
    codes = sorted({code for one in validations for code in one.languages}, key=_order)
    rows: list[tuple[str, str, Mapping[int, float]]] = []
    for code in codes:
        resource = languages.get(code).resource if languages.known(code) else ""
        own = {one.step: one.languages[code].loss for one in validations if code in one.languages}
        rows.append((code, resource, own))
    for resource in ("high", "low"):
        means = {one.step: resource_loss(one, resource) for one in validations}
        known = {step: loss for step, loss in means.items() if loss is not None}
        if known:
            rows.append((f"mean of {resource}-resource", resource, known))
    rows.append(("mean of languages", "", {one.step: one.mean_loss for one in validations}))
    rows.append(("all tokens", "", {one.step: one.loss for one in validations}))
    return rows


def _order(code: str) -> tuple[int, str]:
    codes = languages.codes()
    return (codes.index(code) if code in codes else len(codes), code)


def _counts(validation: "Validation", name: str) -> tuple[str, str]:
    one = validation.languages.get(name)
    return ("", "") if one is None else (f"{one.num_samples:,}", f"{one.num_target_tokens:,}")


def change(value: float) -> Markup:
    """Returns a difference of losses: lower is better.

    Args:
        value: The difference.
    """
    return TEMPLATES.render("run_change.html", value=value)
