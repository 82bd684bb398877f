"""Caption losses with the right and with a wrong photo, as a table and an image."""

from collections.abc import Mapping
from pathlib import Path

from palo import storage
from palo.evaluate.caption_loss import CaptionLoss
from palo.train.loss_plot import draw_loss
from palo.train.metrics import read_metrics

_RIGHT, _WRONG = "#31688e", "#b5b5b5"
_BAR = 0.35


def caption_loss_table(losses: Mapping[str, CaptionLoss]) -> str:
    """Returns a table of losses in nats a token, one row for each state of the model.

    Args:
        losses: Losses on the same photos, by the model's state: "before", "after".
    """
    lines = [f"{'':8} {'right photo':>12} {'wrong photo':>12} {'wrong - right':>14}  95 % interval"]
    for state, loss in losses.items():
        interval = f"[{loss.difference_low:+.3f}, {loss.difference_high:+.3f}]"
        lines.append(
            f"{state:8} {loss.right_image:12.3f} {loss.wrong_image:12.3f} "
            f"{loss.difference:+14.3f}  {interval}"
        )
    last = list(losses.values())[-1]
    lines.append(
        f"Mean loss of {last.num_captions} captions of {last.num_images} held-out photos, in nats "
        f"a token ({last.num_tokens:,} tokens), with the right photo and with {last.num_wrong} "
        "wrong ones in turn."
    )
    return "\n".join(lines)


def plot_caption_loss(
    path: Path, losses: Mapping[str, CaptionLoss], stages: Mapping[str, Path]
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
        (-_BAR / 2, _RIGHT, "right photo", [loss.right_image for loss in losses.values()]),
        (_BAR / 2, _WRONG, "wrong photo", [loss.wrong_image for loss in losses.values()]),
    ):
        places = [index + shift for index in range(len(losses))]
        bars = panels[0].bar(places, values, _BAR, color=colour, label=label)
        panels[0].bar_label(bars, fmt="%.2f")
    panels[0].set_xticks(range(len(losses)), [f"{state} training" for state in losses])
    panels[0].set_ylabel("caption loss, nats a token")
    panels[0].set_title("Held-out photos", loc="left")
    panels[0].legend(loc="lower left")
    for number, (name, metrics) in enumerate(stages.items()):
        panel = panels[1 + number]
        draw_loss(panel, read_metrics(metrics), colour=f"C{number + 4}")
        panel.set_title(f"Training loss, {name}", loc="left")
    with storage.replacing(path) as partial:
        figure.savefig(partial, format="png")
