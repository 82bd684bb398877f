"""LoRA adapters for some rows of a step: their low-rank products are added to the model's own.

By hand, since PEFT mixes adapters in a hook of the outermost module, which the engine never calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from palo.checkpoint.finished import read_projector
from palo.errors import MismatchError, StorageError
from palo.inference.layers import LINEARS, LinearName
from palo.model.folder_guard import require_adapter
from palo.model.lora import adapter_scale
from palo.model.projectors import Projector, build_projector

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

_PREFIX = "base_model.model.language_model.model.layers"


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """One pair of low-rank matrices.

    Attributes:
        down: (inputs, rank) floats.
        up: (rank, outputs) floats, the adapter's scale included.
    """

    down: Tensor
    up: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns the product (R, outputs).

        Args:
            rows: (R, inputs) floats.
        """
        return (rows @ self.down) @ self.up


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """A LoRA adapter, and the projector that was trained with it.

    Attributes:
        layers: For each layer, the matrices of each linear layer that was trained.
        projector: The projector that was trained with it; None for the model's own.
    """

    layers: tuple[Mapping[LinearName, LowRank], ...]
    projector: Projector | None


def load_adapter(folder: Path, model: "PaloForConditionalGeneration") -> Adapter:
    """Loads an adapter to apply beside a model's own weights.

    Args:
        folder: Folder of a finished stage, or of a PEFT adapter alone.
        model: The model that it was trained on.

    Raises:
        MismatchError: If it changes other weights than this model has, or of another size.
        StorageError: If a file is missing or damaged.
    """
    whole = folder / "adapter"
    lora = whole if whole.is_dir() else folder
    config = require_adapter(lora)
    path = lora / "adapter_model.safetensors"
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"can't read the adapter {path}", seen=error, fix="Name the folder of a finished stage."
        ) from error
    scale = adapter_scale(config, lora)
    projector = _projector(folder, model) if whole.is_dir() else None
    layers = tuple(
        _layer(weights, number, layer, scale)
        for number, layer in enumerate(model.language_model.model.layers)
    )
    if weights:
        raise MismatchError(
            f"the adapter {lora} changes weights that this engine doesn't adapt",
            seen=", ".join(sorted(weights)[:3]),
            fix="Merge it into the model instead.",
        )
    return Adapter(layers, projector)


def _projector(folder: Path, model: "PaloForConditionalGeneration") -> Projector:
    like = next(model.projector.parameters())
    projector = build_projector(model.config)
    try:
        projector.load_state_dict(read_projector(folder))
    except RuntimeError as error:
        raise MismatchError(
            f"the projector of {folder} doesn't fit this model",
            seen=str(error).splitlines()[-1].strip(),
            fix="Use an adapter that was trained on this model.",
        ) from error
    moved: Projector = projector.to(like.device, like.dtype).eval()
    return moved


def _layer(
    weights: dict[str, Tensor],
    number: int,
    layer: Any,  # noqa: ANN401 - a LlamaDecoderLayer
    scale: float,
) -> dict[LinearName, LowRank]:
    """Removes a layer's matrices from `weights`; those of joined linear layers become one pair."""
    pairs: dict[LinearName, LowRank] = {}
    for place, names in LINEARS.items():
        downs, ups = [], []
        for name in names:
            linear = layer.get_submodule(name)
            key = f"{_PREFIX}.{number}.{name}"
            down = weights.pop(f"{key}.lora_A.weight", None)
            up = weights.pop(f"{key}.lora_B.weight", None)
            rows, columns = linear.weight.shape
            if down is None or up is None:
                down, up = torch.zeros(0, columns), torch.zeros(rows, 0)
            if down.shape[1] != columns or up.shape[0] != rows:
                raise MismatchError(
                    f"the adapter doesn't fit layer {number} of this model",
                    seen=f"{name} of {up.shape[0]} x {down.shape[1]}, not {rows} x {columns}",
                    fix="Use an adapter that was trained on this model.",
                )
            downs.append(down)
            ups.append(up * scale)
        if sum(len(down) for down in downs):
            like = linear.weight
            # Joined linear layers get one block-diagonal pair, so that each product stays its own.
            pairs[place] = LowRank(
                torch.cat(downs).T.contiguous().to(like.device, like.dtype),
                torch.block_diag(*ups).T.contiguous().to(like.device, like.dtype),
            )
    return pairs
