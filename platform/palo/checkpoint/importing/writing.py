"""Writes an imported model as the folder of a finished stage, or a part as a folder of its own."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import storage
from palo.checkpoint.finished import StageResult, describe_written
from palo.checkpoint.importing.cache import require_space
from palo.checkpoint.importing.copying import Copied, NewFile, copy_tensors
from palo.checkpoint.importing.expected import tower_layout
from palo.checkpoint.importing.layouts import LANGUAGE_MODEL, KeyMap
from palo.checkpoint.importing.places import TensorPlace
from palo.checkpoint.importing.plan import ModelPlan
from palo.checkpoint.parts import ModelParts, fingerprint_of
from palo.checkpoint.safetensors_layout import shard_index

_HASH = re.compile(r"[0-9a-f]{64}")
_TEMPLATE = "vicuna_v1"
_TOWER, _LANGUAGE_MODEL, _TOKENIZER = "tower", "language_model", "tokenizer"


@dataclass(frozen=True, kw_only=True, slots=True)
class PartPlan:
    """A part that is to be written as a folder of its own.

    Attributes:
        places: Where its tensors lie, by canonical name.
        layout: What they are to be called.
        config: Values of its config.json.
        companions: Files to copy beside it.
    """

    places: Mapping[str, TensorPlace]
    layout: KeyMap
    config: Mapping[str, Any]
    companions: tuple[Path, ...] = ()


def files_of_part(places: Mapping[str, TensorPlace], layout: KeyMap, folder: Path) -> list[NewFile]:
    """Returns the files of a part's folder: a shard for each file that its tensors are from.

    Args:
        places: Where its tensors lie, by canonical name.
        layout: What they are to be called.
        folder: The folder.
    """
    by_source: dict[Path, dict[str, TensorPlace]] = {}
    for name, place in places.items():
        by_source.setdefault(place.file, {})[str(layout.from_canonical(name))] = place
    sources = sorted(by_source, key=str)
    if len(sources) == 1:
        return [NewFile(path=folder / "model.safetensors", tensors=by_source[sources[0]])]
    return [
        NewFile(
            path=folder / f"model-{number:05d}-of-{len(sources):05d}.safetensors",
            tensors=by_source[source],
        )
        for number, source in enumerate(sources, 1)
    ]


def files_of_model(plan: ModelPlan, folder: Path) -> list[NewFile]:
    """Returns the files of weights that a model will have.

    Args:
        plan: The model.
        folder: Folder of its stage.
    """
    parts = {
        prefix: {name: place for name, place in plan.places.items() if name.startswith(prefix)}
        for prefix in ("vision_tower.", "language_model.", "projector.")
    }
    files = files_of_part(parts["vision_tower."], tower_layout(plan.tower), folder / _TOWER)
    files += files_of_part(parts["language_model."], LANGUAGE_MODEL, folder / _LANGUAGE_MODEL)
    files.append(file_of_projector(parts["projector."], folder))
    if plan.adapter is not None:
        path = folder / "adapter" / "adapter_model.safetensors"
        files.append(NewFile(path=path, tensors=plan.adapter.tensors))
    return files


def file_of_projector(places: Mapping[str, TensorPlace], folder: Path) -> NewFile:
    """Returns the file of a projector.

    Args:
        places: Where its tensors lie, by canonical name.
        folder: Folder of the stage.
    """
    tensors = {name.removeprefix("projector."): place for name, place in places.items()}
    return NewFile(path=folder / "projector.safetensors", tensors=tensors)


def write_model(
    plan: ModelPlan, folder: Path, lineage: Mapping[str, Any], on_bytes: Callable[[int], None]
) -> None:
    """Writes the folder of a finished stage; `model.json` comes last.

    Args:
        plan: The model.
        folder: A folder with nothing but `tokenizer`, which `plan_model` has filled.
        lineage: Where it is from, as JSON values.
        on_bytes: Told how many bytes were copied, now and then.

    Raises:
        StorageError: If a file can't be read or written, or the disk is too full.
    """
    copied = _write_weights(files_of_model(plan, folder), on_bytes)
    tower = {**plan.tower.to_dict(), "architectures": [_type_name(plan.tower)]}
    language = {**plan.language_model.to_dict(), "architectures": ["LlamaForCausalLM"]}
    storage.write_json(folder / _TOWER / "config.json", tower)
    storage.write_json(folder / _LANGUAGE_MODEL / "config.json", language)
    if plan.preprocessor:
        storage.write_json(folder / _TOWER / "preprocessor_config.json", plan.preprocessor)
    if plan.adapter is not None:
        plan.adapter.write_config(folder / "adapter")
    parts = ModelParts(
        tower=folder / _TOWER,
        language_model=folder / _LANGUAGE_MODEL,
        tokenizer=folder / _TOKENIZER,
        projector_type=plan.projector_type,
    )
    result = StageResult(
        folder=folder,
        parts=parts,
        fingerprints={
            name: _fingerprint(folder / name, copied) for name in (_TOWER, _LANGUAGE_MODEL)
        },
        template=_TEMPLATE,
        preprocessing=_preprocessing(plan),
        has_adapter=plan.adapter is not None,
        has_language_model=False,
    )
    describe_written(result, _traced(folder, copied, lineage))


def _write_weights(files: Iterable[NewFile], on_bytes: Callable[[int], None]) -> Copied:
    every = list(files)
    for folder in {new.path.parent for new in every}:
        storage.ensure_folder(folder)
    require_space(every[0].path.parent, every)
    copied = copy_tensors(every, on_bytes)
    for folder in {new.path.parent for new in every}:
        shards = [new for new in every if new.path.parent == folder and "-of-" in new.path.name]
        if shards:
            storage.write_json(folder / "model.safetensors.index.json", _index(shards))
    return copied


def _index(shards: Iterable[NewFile]) -> dict[str, Any]:
    every = list(shards)
    places = {name: new.path.name for new in every for name in sorted(new.tensors)}
    return shard_index(places, sum(new.size_bytes for new in every))


def _fingerprint(folder: Path, copied: Copied) -> str:
    weights = sorted(path for path in copied.written if path.parent == folder)
    config = storage.file_hash(folder / "config.json")
    return fingerprint_of([config, *(copied.written[path] for path in weights)])


def _traced(folder: Path, copied: Copied, lineage: Mapping[str, Any]) -> dict[str, Any]:
    written = {str(path.relative_to(folder)): one for path, one in sorted(copied.written.items())}
    sources = sorted(copied.sources.items(), key=lambda item: str(item[0]))
    files = {str(path): _source(path, size) for path, size in sources}
    return {"weights": written, "imported": {**lineage, "files": files}}


def _source(path: Path, size_bytes: int) -> dict[str, Any]:
    """Returns what is known of a file that was read; Hugging Face's cache names one by its hash."""
    blob = path.resolve().name
    return {"size_bytes": size_bytes, **({"sha256": blob} if _HASH.fullmatch(blob) else {})}


def _preprocessing(plan: ModelPlan) -> dict[str, Any]:
    """Returns the fields of `palo.images.preprocessing.Preprocessing` that are not its defaults."""
    size = plan.tower.image_size
    side = size if isinstance(size, int) else size[0]
    values: dict[str, Any] = {"aspect": plan.aspect, "image_size": side, "shortest_edge": side}
    for ours, theirs in (("mean", "image_mean"), ("std", "image_std"), ("resample", "resample")):
        if theirs in plan.preprocessor:
            values[ours] = plan.preprocessor[theirs]
    return values


def _type_name(config: Any) -> str:  # noqa: ANN401 - a configuration of transformers
    """Returns the class of transformers that a tower's configuration is for."""
    return type(config).__name__.removesuffix("Config") + "Model"


def write_part(
    plan: PartPlan, folder: Path, lineage: Mapping[str, Any], on_bytes: Callable[[int], None]
) -> None:
    """Writes a part as a folder in Hugging Face's format, with safetensors.

    Args:
        plan: The part.
        folder: An empty folder.
        lineage: Where it is from, as JSON values.
        on_bytes: Told how many bytes were copied, now and then.

    Raises:
        StorageError: If a file can't be read or written.
    """
    copied = _write_weights(files_of_part(plan.places, plan.layout, folder), on_bytes)
    for path in plan.companions:
        storage.write_bytes(folder / path.name, storage.read_bytes(path))
    storage.write_json(folder / "config.json", plan.config)
    storage.write_json(folder / "lineage.json", _traced(folder, copied, lineage))


def write_projector(
    places: Mapping[str, TensorPlace],
    folder: Path,
    lineage: Mapping[str, Any],
    on_bytes: Callable[[int], None],
) -> None:
    """Writes a projector that a training can start from.

    Args:
        places: Where its tensors lie, by canonical name.
        folder: An empty folder.
        lineage: Where it is from, as JSON values.
        on_bytes: Told how many bytes were copied, now and then.

    Raises:
        StorageError: If a file can't be read or written.
    """
    copied = _write_weights([file_of_projector(places, folder)], on_bytes)
    storage.write_json(folder / "lineage.json", _traced(folder, copied, lineage))
