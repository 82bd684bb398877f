"""Trains the nano image tower: a small CLIP vision model that sees shapes, colours and places."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel

from palo.images.preprocessing import Preprocessing
from palo.scenes.draw import IMAGE_SIDE, draw_scene
from palo.scenes.nano_base.language_model import cosine
from palo.scenes.scene import (
    COLOURS,
    MAX_THINGS,
    NUM_COLUMNS,
    PLACES,
    SHAPES,
    Scene,
    sample_scene_of,
)
from palo.storage import write_json

_FEATURE_LAYER = -2
_NUM_HELD_OUT_SCENES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class TowerTraining:
    """How the image tower is made.

    Attributes:
        hidden_size: Width.
        intermediate_size: Width of the feed-forward layers.
        num_layers: Blocks; as in LLaVA, the features come from the last but one.
        num_heads: Attention heads.
        patch_size: Side of a patch in pixels.
        num_scenes: Scenes to draw.
        num_epochs: How often each is seen.
        batch_size: Scenes in one step.
        learning_rate: Peak of the cosine schedule.
        num_warmup_steps: Steps of linear rise before it.
        seed: Of the weights and the scenes.
    """

    hidden_size: int = 96
    intermediate_size: int = 192
    num_layers: int = 4
    num_heads: int = 4
    patch_size: int = 32
    num_scenes: int = 12_000
    num_epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 2e-3
    num_warmup_steps: int = 100
    seed: int = 0


class _Probes(nn.Module):
    """What training asks of the features: for each patch what is in its cell and how many alike.

    Args:
        width: Width of the features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = (len(SHAPES) + 1, len(COLOURS) + 1, len(PLACES), MAX_THINGS + 1, MAX_THINGS + 1)
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)
        self.counts = nn.Linear(width, len(SHAPES) + len(COLOURS))

    def loss(self, patches: Tensor, pooled: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        """Returns the sum of the losses.

        Args:
            patches: (B, P, D) features of the patches.
            pooled: (B, D) summary of the last block.
            labels: (B, P, 5) int64: shape, colour and place of each patch's cell, and how many
                things of the scene have that shape, and that colour.
            counts: (B, S + C) float32: how many things have each shape and each colour.
        """
        total = functional.mse_loss(self.counts(pooled), counts)
        for index, head in enumerate(self.heads):
            logits = head(patches).flatten(0, 1)
            total = total + functional.cross_entropy(logits, labels[..., index].flatten())
        return total


def tower_config(settings: TowerTraining) -> CLIPVisionConfig:
    """Returns the architecture of the nano tower.

    Args:
        settings: Sizes of the tower.
    """
    return CLIPVisionConfig(
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        projection_dim=settings.hidden_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        image_size=IMAGE_SIDE,
        patch_size=settings.patch_size,
    )


def train_tower(
    folder: Path, settings: TowerTraining, report: Callable[[int, int, float], None]
) -> float:
    """Trains the tower and writes config.json, preprocessor_config.json and model.safetensors.

    Args:
        folder: Where to write.
        settings: Size and schedule.
        report: Called now and then with the step, the number of steps, and the loss.

    Returns:
        The share of held-out patches of which all five labels can be read off.
    """
    torch.manual_seed(settings.seed)
    model = CLIPVisionModel._from_config(tower_config(settings), attn_implementation="eager")
    probes = _Probes(settings.hidden_size)
    pixels, labels, counts = _drawn(settings, settings.num_scenes, held_out=False)
    parameters = [*model.parameters(), *probes.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.05)
    num_steps = settings.num_epochs * (len(pixels) // settings.batch_size)
    schedule = cosine(optimizer, settings.num_warmup_steps, num_steps)
    rng = np.random.default_rng(settings.seed)
    last_report = 0.0
    for step in range(1, num_steps + 1):
        rows = torch.from_numpy(rng.integers(len(pixels), size=settings.batch_size))
        patches, pooled = _features(model, pixels[rows])
        loss = probes.loss(patches, pooled, labels[rows], counts[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if time.monotonic() - last_report > 10 or step == num_steps:
            last_report = time.monotonic()
            report(step, num_steps, loss.item())
    accuracy = _accuracy(model, probes, settings)
    model.to(torch.bfloat16).save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", _preprocessor())
    return accuracy


def _features(model: CLIPVisionModel, pixels: Tensor) -> tuple[Tensor, Tensor]:
    out = model(pixel_values=pixels, output_hidden_states=True)
    return out.hidden_states[_FEATURE_LAYER][:, 1:], out.pooler_output


def _accuracy(model: CLIPVisionModel, probes: _Probes, settings: TowerTraining) -> float:
    pixels, labels, _ = _drawn(settings, _NUM_HELD_OUT_SCENES, held_out=True)
    with torch.no_grad():
        patches, _ = _features(model, pixels)
        right = [
            head(patches).argmax(-1) == labels[..., index]
            for index, head in enumerate(probes.heads)
        ]
    return float(torch.stack(right).all(dim=0).float().mean())


def _drawn(
    settings: TowerTraining, num_scenes: int, *, held_out: bool
) -> tuple[Tensor, Tensor, Tensor]:
    rng = random.Random(f"tower:{settings.seed}:{held_out}")  # noqa: S311
    scenes = [sample_scene_of(rng, held_out=held_out) for _ in range(num_scenes)]
    raw = np.stack([np.asarray(draw_scene(scene, rng)).transpose(2, 0, 1) for scene in scenes])
    pixels = torch.from_numpy(_preprocessing().normalise(raw))
    side = IMAGE_SIDE // settings.patch_size
    labels = torch.from_numpy(np.stack([_patch_labels(scene, side) for scene in scenes]))
    return pixels, labels, torch.tensor([_counts(scene) for scene in scenes])


def _patch_labels(scene: Scene, side: int) -> npt.NDArray[np.int64]:
    """Returns (P, 5) int64: for each patch the labels of its cell; 0 where nothing is there."""
    cells = np.zeros((len(PLACES), 5), np.int64)
    cells[:, 2] = np.arange(len(PLACES))
    for thing in scene.things:
        cells[thing.cell, :2] = SHAPES.index(thing.shape) + 1, COLOURS.index(thing.colour) + 1
        cells[thing.cell, 3] = sum(other.shape == thing.shape for other in scene.things)
        cells[thing.cell, 4] = sum(other.colour == thing.colour for other in scene.things)
    near = np.arange(side) * NUM_COLUMNS // side
    return cells.take((near[:, None] * NUM_COLUMNS + near[None, :]).ravel(), axis=0)


def _counts(scene: Scene) -> list[float]:
    shapes = [float(sum(t.shape == shape for t in scene.things)) for shape in SHAPES]
    return shapes + [float(sum(t.colour == colour for t in scene.things)) for colour in COLOURS]


def _preprocessing() -> Preprocessing:
    return Preprocessing(image_size=IMAGE_SIDE, shortest_edge=IMAGE_SIDE)


def _preprocessor() -> dict[str, object]:
    settings = _preprocessing()
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "size": {"shortest_edge": settings.shortest_edge},
        "crop_size": {"height": settings.image_size, "width": settings.image_size},
        "resample": settings.resample,
        "rescale_factor": 1 / 255,
        "image_mean": list(settings.mean),
        "image_std": list(settings.std),
    }
