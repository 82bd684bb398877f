"""What a path of foreign weights holds, by its content: files, names of tensors, configuration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from palo.checkpoint.importing.layouts import (
    LANGUAGE_MODEL,
    KeyMap,
    closest_layout,
    has_projector,
    is_needless,
)
from palo.checkpoint.importing.places import TensorPlace, places_in
from palo.checkpoint.importing.shards import require_tensors, weight_places
from palo.errors import DataError, MismatchError
from palo.model.backbones import TEXT_HALVES, text_half
from palo.model.folder_guard import read_safe_config, require_borne_out, require_own_files

Kind = Literal["model", "adapter", "projector", "language model", "tower"]

_ADAPTER_CONFIG = "adapter_config.json"
_ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_BESIDE_ADAPTER = ("non_lora_trainables.bin", "mm_projector.bin")
_PROJECTOR = "mm_projector.bin"
_MARK = "mm_projector."
_MOST_NAMED = 3
_SEES = re.compile(r"^(model\.)?(vision_tower|multi_modal_projector)\.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """Weights of another project.

    Attributes:
        path: The folder, or the file of a projector.
        kind: What it holds.
        title: Its layout, for people.
        config: Values of its config.json; none if it has none.
        places: Where its tensors lie, by canonical name; by the names that they have there where
            it is a tower, by PEFT's names where it is an adapter.
        projector: Of an adapter, where its projector's tensors lie, by canonical name.
    """

    path: Path
    kind: Kind
    title: str
    config: Mapping[str, Any]
    places: Mapping[str, TensorPlace]
    projector: Mapping[str, TensorPlace] = field(default_factory=dict)


def recognise(path: Path) -> Foreign:
    """Reads what a path holds, but no weights.

    Args:
        path: Folder of a model, of a part of one, or of an adapter; or the file of a projector.

    Raises:
        DataError: If there are no weights.
        MismatchError: If its layout has no such tensors, or config.json is not to be believed.
        StorageError: If a file is missing, damaged, or holds code.
    """
    if path.is_file():
        return _projector(path, path)
    if not path.is_dir():
        raise DataError("no model here", seen=path, fix="Check the path.")
    require_own_files(path)
    if (path / _ADAPTER_CONFIG).is_file():
        return _adapter(path)
    found = weight_places(path)
    if not found and (path / _PROJECTOR).is_file():
        return _projector(path, path / _PROJECTOR)
    require_tensors(path, found)
    config = read_safe_config(path)
    require_borne_out(path, config, [place.shape for place in found.values()])
    places = {name: place for name, place in found.items() if not is_needless(name)}
    if config.get("model_type") in TEXT_HALVES:
        return _text_half(path, config, places)
    if has_projector(places):
        layout = closest_layout(places)
        return Foreign(
            path=path,
            kind="model",
            title=layout.title,
            config=config,
            places=canonical(places, layout, path),
        )
    if "model.embed_tokens.weight" in places:
        return Foreign(
            path=path,
            kind="language model",
            title=LANGUAGE_MODEL.title,
            config=config,
            places=canonical(places, LANGUAGE_MODEL, path),
        )
    return Foreign(path=path, kind="tower", title="a vision tower", config=config, places=places)


def _text_half(path: Path, config: Mapping[str, Any], places: Mapping[str, TensorPlace]) -> Foreign:
    """Returns the language model within a model of text and images that isn't a LLaVA."""
    words = {name: place for name, place in places.items() if not _SEES.search(name)}
    return Foreign(
        path=path,
        kind="language model",
        title=f"the text half of {TEXT_HALVES[config['model_type']].title}",
        config=text_half(config),
        places=canonical(words, closest_layout(words), path),
    )


def canonical(
    places: Mapping[str, TensorPlace], layout: KeyMap, path: Path
) -> dict[str, TensorPlace]:
    """Returns places by canonical name.

    Args:
        places: Places by name in a layout.
        layout: The layout.
        path: Where they are from, for the message.

    Raises:
        MismatchError: If the layout has no such tensors, or two become one.
    """
    if unknown := sorted(layout.unknown(places)):
        raise MismatchError(
            f"{path} has tensors that {layout.title} doesn't have",
            seen=f"{len(unknown):,} of {len(places):,}: {', '.join(unknown[:_MOST_NAMED])}",
            fix="Only models of such a layout can be used here.",
        )
    found = {str(layout.to_canonical(name)): place for name, place in places.items()}
    if len(found) < len(places):
        raise MismatchError(
            f"{path} has a tensor twice under different names",
            seen=f"{len(places):,} tensors, {len(found):,} of {layout.title}",
            fix="Download or convert it again.",
        )
    return found


def _adapter(folder: Path) -> Foreign:
    weights = next((folder / n for n in _ADAPTER_WEIGHTS if (folder / n).is_file()), None)
    beside = next((folder / n for n in _BESIDE_ADAPTER if (folder / n).is_file()), None)
    if weights is None or beside is None:
        missing = _ADAPTER_WEIGHTS[0] if weights is None else _BESIDE_ADAPTER[0]
        raise DataError(
            f"the adapter in {folder} is not whole",
            seen=f"no {missing}",
            fix="Name what the end of a training wrote. LLaVA's checkpoints in between have no "
            "projector and can't be used.",
        )
    return Foreign(
        path=folder,
        kind="adapter",
        title="LLaVA's LoRA adapter",
        config=read_safe_config(folder),
        places=places_in(weights),
        projector=_projector_places(beside),
    )


def _projector(path: Path, file: Path) -> Foreign:
    folder = file.parent
    has_config = (folder / "config.json").is_file() and path != file
    return Foreign(
        path=path,
        kind="projector",
        title="LLaVA's file of a projector",
        config=read_safe_config(folder) if has_config else {},
        places=_projector_places(file),
    )


def _projector_places(file: Path) -> dict[str, TensorPlace]:
    """Returns the places of a projector's tensors, whatever stands before their own names."""
    found = {name: place for name, place in places_in(file).items() if not is_needless(name)}
    if strange := sorted(name for name in found if _MARK not in name):
        raise MismatchError(
            f"{file} holds more than a projector",
            seen=f"{len(strange):,} of {len(found):,} tensors: {', '.join(strange[:_MOST_NAMED])}",
            fix="A projector's tensors are called mm_projector. and so on; a training that "
            "changed others, too, must be merged first.",
        )
    places = {f"model.{name[name.index(_MARK) :]}": place for name, place in found.items()}
    return canonical(places, closest_layout(places), file)
