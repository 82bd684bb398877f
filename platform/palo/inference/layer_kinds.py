"""What attention differs in between the layers of a language model: positions and windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from palo.errors import MismatchError

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

_WHOLE, _WINDOWED = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True, eq=False)
class PositionTables:
    """The position embedding of each place: what rotates its query and key.

    Source: RoFormer (arXiv 2104.09864), in the half-split form of LLaMA.

    Attributes:
        cosines: (places, W) floats.
        sines: (places, W) floats, the first half negated, so that rotating takes two products.
    """

    cosines: Tensor
    sines: Tensor

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the cosines and sines (R, 1, W) of some positions.

        Args:
            positions: (R,) int64.
        """
        return self.cosines[positions, None], self.sines[positions, None]


@dataclass(frozen=True, slots=True, eq=False)
class LayerKind:
    """What layers of one kind have in common.

    Attributes:
        tables: Their position embedding.
        window: Tokens that each one attends to, itself included; None for all before it.
    """

    tables: PositionTables
    window: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LayerKinds:
    """The kinds of a model's layers.

    Attributes:
        kinds: Each kind once.
        of_layer: The kind's index, by layer.
    """

    kinds: Sequence[LayerKind]
    of_layer: Sequence[int]


def layer_kinds(model: "PaloForConditionalGeneration", places: int) -> LayerKinds:
    """Returns the kinds of a model's layers.

    Args:
        model: The model.
        places: Tokens of the longest sequence; a window that holds them all is none.

    Raises:
        MismatchError: If the position embedding depends on a sequence's length.
    """
    config: Any = model.language_model.config
    names = getattr(config, "layer_types", None) or [_WHOLE] * config.num_hidden_layers
    found = list(dict.fromkeys(names))
    kinds = [
        LayerKind(
            _position_tables(model, places, name),
            config.sliding_window if name == _WINDOWED and config.sliding_window < places else None,
        )
        for name in found
    ]
    return LayerKinds(kinds, [found.index(name) for name in names])


def _position_tables(
    model: "PaloForConditionalGeneration", places: int, layer_type: str
) -> PositionTables:
    language = model.language_model
    parameters = language.config.rope_parameters
    differs = layer_type in parameters  # Gemma 3 turns by other angles in layers with a window
    kind = (parameters[layer_type] if differs else parameters).get("rope_type", "default")
    if kind in ("dynamic", "longrope"):
        raise MismatchError(
            "the engine caches computed tokens, whose positions must not change",
            seen=f"rope_type {kind}",
            fix="Use a model with a fixed position embedding.",
        )
    with torch.no_grad():
        positions = torch.arange(places, device=model.device)[None]
        like = torch.empty(0, dtype=model.dtype, device=model.device)
        cos, sin = language.model.rotary_emb(like, positions, *([layer_type] if differs else []))
    half = language.config.head_dim // 2
    sines = torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)
    return PositionTables(cos[0].contiguous(), sines)
