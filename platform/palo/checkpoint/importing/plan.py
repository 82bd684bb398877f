"""What an import will write: each tensor with its place now, checked before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo import storage
from palo.checkpoint.finished import (
    describe_stage,
    is_finished,
    language_model_folder,
    stage_folder,
)
from palo.checkpoint.importing.adapter import AdapterPlan, plan_adapter
from palo.checkpoint.importing.expected import (
    projector_type_of,
    require_parts_fit,
    require_weights,
    tower_places,
)
from palo.checkpoint.importing.part_configs import (
    image_aspect,
    language_config,
    require_usual_features,
    tower_config_of,
)
from palo.checkpoint.importing.places import TensorPlace
from palo.checkpoint.importing.recognise import Foreign, recognise
from palo.checkpoint.importing.search import find_part
from palo.checkpoint.importing.vocabulary import tokenizer_files, without_added_rows
from palo.errors import ConfigError, MismatchError

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedConfig

_EMBEDDINGS = "language_model.model.embed_tokens.weight"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPlan:
    """A complete model that is to be written as a finished stage.

    Attributes:
        source: The checkpoint.
        places: Where the tensors lie, by canonical name.
        tower: Configuration of the tower.
        language_model: Configuration of the language model.
        projector_type: Type of the projector.
        aspect: How an image becomes square: pad or crop.
        preprocessor: Values of the tower's preprocessor_config.json, if there is one.
        adapter: The LoRA adapter, if there is one.
        others: Folders that parts are from, by what they are.
    """

    source: Foreign
    places: Mapping[str, TensorPlace]
    tower: "PreTrainedConfig"
    language_model: "LlamaConfig"
    projector_type: str
    aspect: str
    preprocessor: Mapping[str, Any] = field(default_factory=dict)
    adapter: AdapterPlan | None = None
    others: Mapping[str, Path] = field(default_factory=dict)


def plan_model(
    source: Foreign, tokenizer: Path, *, base: Path | None = None, tower: Path | None = None
) -> ModelPlan:
    """Plans the import of a complete model, or of an adapter with its base.

    Args:
        source: The checkpoint.
        tokenizer: An empty folder on a disk, which gets the files of the tokenizer.
        base: Folder of an adapter's language model; looked for by its name otherwise.
        tower: Folder of the tower; looked for by its name where the checkpoint has none.

    Raises:
        ConfigError: If a base is given for a model that is no adapter.
        DataError: If base or tower isn't found.
        MismatchError: If parts don't fit, tensors are missing, unknown or of another shape, or the
            model works in a way that ours doesn't.
        StorageError: If a file is missing or damaged.
    """
    from palo.model.sizes import config_of

    require_usual_features(source.config, source.path)
    whole, others = source, {}
    if source.kind == "adapter":
        others["base"] = _base_folder(source, base)
        whole = recognise(others["base"])
        if whole.kind not in ("language model", "model"):
            raise MismatchError("the base holds no language model", seen=whole.path)
    elif base is not None:
        raise ConfigError("base is for adapters", seen=source.path, fix="Leave it out.")
    language = _part(whole.places, "language_model.")
    pictured = whole if any(key.startswith("vision_tower.") for key in whole.places) else None
    if tower is not None or pictured is None:
        others["tower"] = tower or find_part(
            str(source.config.get("mm_vision_tower") or ""),
            what="vision tower",
            flag="--tower",
            beside=source.path,
        )
    tower_values, seen = _tower(source, pictured, others.get("tower"))
    files = tokenizer_files([source.path, *([whole.path] if whole is not source else [])])
    for path in files:
        storage.write_bytes(tokenizer / path.name, storage.read_bytes(path))
    values = language_config(whole.config, whole.path)
    if _EMBEDDINGS in language and values.get("vocab_size") == language[_EMBEDDINGS].shape[0]:
        language = without_added_rows(language, files[0].parent, tokenizer=tokenizer)
        values["vocab_size"] = language[_EMBEDDINGS].shape[0]
    projector = source.projector if source.kind == "adapter" else _part(source.places, "projector.")
    plan = ModelPlan(
        source=source,
        places={**seen, **language, **projector},
        tower=config_of(tower_values, source.path),
        language_model=_llama(values, whole.path),
        projector_type=projector_type_of(projector, source.path),
        aspect=image_aspect(source.config),
        preprocessor=_preprocessor(others.get("tower") or source.path),
        adapter=plan_adapter(source) if source.kind == "adapter" else None,
        others=others,
    )
    _check(plan, whole)
    return plan


def _check(plan: ModelPlan, whole: Foreign) -> None:
    folder = plan.source.path
    adapter = plan.adapter
    if adapter is not None:
        adapter.require_base(plan.places, plan.source.config, whole)
    require_weights(plan.places)
    require_parts_fit(plan.places, plan.tower, plan.language_model, plan.projector_type, folder)


def _part(places: Mapping[str, TensorPlace], prefix: str) -> dict[str, TensorPlace]:
    return {name: place for name, place in places.items() if name.startswith(prefix)}


def _base_folder(source: Foreign, base: Path | None) -> Path:
    if base is None:
        config = storage.read_json(source.path / "adapter_config.json")
        name = config.get("base_model_name_or_path") if isinstance(config, dict) else None
        return find_part(str(name or ""), what="language model", flag="--base", beside=source.path)
    own = stage_folder(base)
    return language_model_folder(describe_stage(own)) if is_finished(own) else base


def _tower(
    source: Foreign, pictured: Foreign | None, folder: Path | None
) -> tuple[Mapping[str, Any], dict[str, TensorPlace]]:
    """Returns configuration and places of the tower: the checkpoint's own, else a folder's."""
    if pictured is not None:
        seen = _part(pictured.places, "vision_tower.")
        if folder is None:
            return tower_config_of(seen, pictured.config, source.path), seen
        return recognise(folder).config, seen
    assert folder is not None
    other = recognise(folder)
    return other.config, tower_places(other)


def _llama(values: Mapping[str, Any], folder: Path) -> "LlamaConfig":
    from transformers import LlamaConfig

    from palo.model.sizes import config_of

    config = config_of(values, folder)
    assert isinstance(config, LlamaConfig)
    return config


def _preprocessor(folder: Path) -> Mapping[str, Any]:
    path = folder / "preprocessor_config.json"
    values = storage.read_json(path) if path.is_file() else {}
    return values if isinstance(values, dict) else {}
