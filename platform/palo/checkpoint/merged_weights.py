"""The weights of a finished model, its adapter merged, one tensor at a time.

Names are canonical whatever the folders hold:

    vision_tower.X      X as the tower's own library names it, without `vision_model.`
    projector.X         X as `palo.model.projectors` names it
    language_model.X    X as in a folder of its own: model.layers.0..., lm_head.weight

So a model of any size is written elsewhere in the memory of its largest tensor.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from palo.checkpoint.finished import StageResult, language_model_folder, projector_file
from palo.errors import MismatchError, StorageError
from palo.model.assemble import is_spare_weight
from palo.model.folder_guard import require_adapter, shapes_of
from palo.model.lora import adapter_scale
from palo.model.new_token_names import table_of

_PEFT_PREFIX = "base_model.model."
_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_ADAPTER_PREFIX = f"{_PEFT_PREFIX}language_model."


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor lies: its file, and its name there."""

    file: Path
    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """An adapter's change of a weight: down (rank, inputs), up (outputs, rank), DoRA's lengths."""

    down: _Place
    up: _Place
    lengths: _Place | None

    @property
    def places(self) -> tuple[_Place, ...]:
        pair = (self.down, self.up)
        return pair if self.lengths is None else (*pair, self.lengths)


@dataclass(frozen=True, slots=True)
class MergedWeights:
    """The weights of a finished model by canonical name; they are read when they are asked for.

    Attributes:
        places: Where each tensor of tower, projector and language model lies.
        adapter: Where the adapter's tensors lie, by canonical name of the weight that they change.
        scale: What the product of two matrices is scaled by.
        new_rows: Where the last rows of tables lie that were trained for new tokens.

    Source:
        LoRA (arXiv 2106.09685): W + scale * up @ down. DoRA (arXiv 2402.09353), equation 5: each
        row of that is brought to its learned length.
    """

    places: Mapping[str, _Place]
    adapter: Mapping[str, _Change]
    scale: float
    new_rows: Mapping[str, _Place] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor, by canonical name."""
        return {name: place.shape for name, place in self.places.items()}

    def read(self, name: str) -> Tensor:
        """Reads a tensor: float32 where an adapter was merged, else of its file's type.

        Args:
            name: Its canonical name.

        Raises:
            StorageError: If its file is missing or damaged.
        """
        weight = _read(self.places[name])
        if name in self.new_rows:
            rows = _read(self.new_rows[name])
            return torch.cat([weight[: -len(rows)].float(), rows.float()])
        if name not in self.adapter:
            return weight
        change = self.adapter[name]
        down, up = _read(change.down).float(), _read(change.up).float()
        merged: Tensor = weight.float() + self.scale * (up @ down)
        if change.lengths is None:
            return merged
        lengths = _read(change.lengths).float() / torch.linalg.norm(merged, dim=1)
        scaled: Tensor = merged * lengths.unsqueeze(1)
        return scaled

    def stored_type(self, name: str) -> torch.dtype:
        """Returns the type in which a tensor's file holds it, before an adapter is merged.

        Args:
            name: Its canonical name.

        Raises:
            StorageError: If its file is missing or damaged.
        """
        return _read(self.places[name]).dtype

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Yields the tensors with their canonical names, in the order of the names."""
        return ((name, self.read(name)) for name in sorted(self.places))


def merged_weights(stage: StageResult) -> MergedWeights:
    """Finds the weights of a finished model.

    Args:
        stage: The finished stage, as `read_stage` describes it.

    Raises:
        MismatchError: If the adapter is more than LoRA or DoRA, or isn't one for this language
            model.
        StorageError: If a file is missing or damaged.
    """
    places = {
        f"vision_tower.{name.removeprefix('vision_model.')}": place
        for name, place in _places(stage.parts.tower).items()
    }
    projector = projector_file(stage.folder)
    places |= {
        f"projector.{name}": _Place(projector, name, shape)
        for name, shape in shapes_of(projector.parent, projector.name).items()
    }
    places |= {
        f"language_model.{name}": place
        for name, place in _places(language_model_folder(stage)).items()
    }
    if not stage.has_adapter:
        return MergedWeights(places, {}, 1.0)
    folder = stage.folder / "adapter"
    config = require_adapter(folder)
    scale = adapter_scale(config, folder, with_dora=True)
    rows = _new_rows(folder, places)
    changes = _adapter(folder, places, rows, has_lengths=bool(config.get("use_dora")))
    return MergedWeights(places, changes, scale, rows)


def _places(folder: Path) -> dict[str, _Place]:
    return {
        name: _Place(path, name, shape)
        for path in sorted(folder.glob("*.safetensors"))
        for name, shape in shapes_of(folder, path.name).items()
        if not is_spare_weight(name)
    }


def _new_rows(folder: Path, places: Mapping[str, _Place]) -> dict[str, _Place]:
    """Returns the trained rows of new tokens, by the table that they are the last rows of."""
    path = folder / _ADAPTER_WEIGHTS
    found = {}
    for key, shape in shapes_of(folder, path.name).items():
        table = table_of(key.removeprefix(_PEFT_PREFIX))
        name = f"{table}.weight"
        own = places[name].shape if name in places else ()
        if table is not None and len(own) == len(shape) == 2 and own[1:] == shape[1:]:
            found[name] = _Place(path, key, shape)
    return found


def _adapter(
    folder: Path,
    places: Mapping[str, _Place],
    rows: Mapping[str, _Place],
    *,
    has_lengths: bool,
) -> dict[str, _Change]:
    path = folder / _ADAPTER_WEIGHTS
    shapes = shapes_of(folder, path.name)
    changes: dict[str, _Change] = {}
    for key in (key for key in shapes if key.endswith(".lora_A.weight")):
        stem = key.removesuffix("lora_A.weight")
        name = f"language_model.{stem.removeprefix(_ADAPTER_PREFIX)}weight"
        other = f"{stem}lora_B.weight"
        if name in places and other in shapes:
            (rank, inputs), (outputs, rank_up) = shapes[key], shapes[other]
            lengths = f"{stem}lora_magnitude_vector"
            fits = rank == rank_up and places[name].shape == (outputs, inputs)
            if fits and (not has_lengths or shapes.get(lengths) == (outputs,)):
                changes[name] = _Change(
                    _Place(path, key, shapes[key]),
                    _Place(path, other, shapes[other]),
                    _Place(path, lengths, (outputs,)) if has_lengths else None,
                )
    paired = {place.name for change in changes.values() for place in change.places}
    paired |= {place.name for place in rows.values()}
    if strange := sorted(set(shapes) - paired):
        raise MismatchError(
            f"the adapter {folder} is not one for this language model",
            seen=f"{len(strange)} of {len(shapes)} tensors, such as {strange[0]} of "
            f"{shapes[strange[0]]}",
            fix="Use the language model that it was trained on.",
        )
    return changes


def _read(place: _Place) -> Tensor:
    try:
        with safe_open(place.file, "pt") as file:
            tensor: Tensor = file.get_tensor(place.name)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"can't read {place.name} of {place.file}", seen=error, fix="Download it again."
        ) from error
    if tuple(tensor.shape) != place.shape or tensor.dtype == torch.bool:
        raise StorageError(
            f"{place.file} has changed meanwhile", seen=place.name, fix="Run the command again."
        )
    return tensor
