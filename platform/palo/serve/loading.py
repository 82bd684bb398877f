"""Loads models and their engine from the folders of finished stages.

Models that were trained on the same parts share one base: each has a LoRA adapter and a projector
of its own, and requests to all of them run in the same steps of one engine. A single model is
merged with its adapter, which is faster.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from palo import config, storage
from palo.checkpoint.finished import (
    StageResult,
    language_model_folder,
    local_copy,
    read_stage,
)
from palo.checkpoint.load import load_trained
from palo.config import from_dict
from palo.images.preprocessing import Preprocessing, read_preprocessing
from palo.images.store import ImageStore
from palo.images.store_spec import StoreSpec, find_store, read_spec
from palo.inference.adapters import Adapter, load_adapter
from palo.inference.engine import EngineSettings, InferenceEngine
from palo.inference.local_engine import LocalEngine
from palo.inference.memory import fit_engine
from palo.inference.scheduler import Scheduler
from palo.inference.vllm_engine import VllmEngine, write_language_model
from palo.model.assemble import assemble
from palo.model.backbone_folder import read_backbone
from palo.serve.settings import Backend, ModelSource
from palo.text.encoding import stop_ids
from palo.text.templates import TEMPLATES, Template
from palo.text.tokenizer import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedModel:
    """One of the models on a base.

    Attributes:
        template: Template of its prompts.
        stop_ids: Ids that end its answers.
        adapter: Name of its adapter in the engine; None for the base's own weights.
        version: Fingerprint of its weights.
    """

    template: Template
    stop_ids: tuple[int, ...]
    adapter: str | None
    version: str


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModels:
    """Models that share one base.

    Attributes:
        model: The base, in evaluation mode.
        tokenizer: Their tokenizer.
        preprocessing: Preprocessing of images for the vision tower.
        adapters: Adapters for the engine, by name of the model.
        served_models: The models, by name.
        store: Stored image features; None if there are none.
    """

    model: "PaloForConditionalGeneration"
    tokenizer: TextTokenizer
    preprocessing: Preprocessing
    adapters: Mapping[str, Adapter]
    served_models: Mapping[str, ServedModel]
    store: ImageStore | None = None


def load_models(sources: Sequence[ModelSource], device: str | None = None) -> LoadedModels:
    """Loads models that share one base, from safetensors only.

    Args:
        sources: One of the groups of `palo.serve.grouping.group_by_base`.
        device: Device; None for the GPU if there is one. Weights are bfloat16 on a GPU.

    Raises:
        DataError: If a folder holds no finished stage.
        MismatchError: If weights don't fit together, or aren't those of the training; or if an
            image store was made with another tower or preprocessing.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    stages = {source.name: read_stage(local_copy(source.folder)) for source in sources}
    first = stages[sources[0].name]
    adapters: dict[str, Adapter] = {}
    if len(stages) == 1:
        model = load_trained(first.folder, dtype).model.to(device)
    else:
        parts = first.parts
        model = assemble(
            parts.tower,
            parts.language_model,
            parts.projector_type,
            image_size=parts.image_size,
            dtype=dtype,
        )
        model = model.to(device).eval()
        adapters = {name: load_adapter(stage.folder, model) for name, stage in stages.items()}
    tokenizer = load_tokenizer(first.parts.tokenizer)
    served_models = {
        name: ServedModel(
            template=TEMPLATES[stage.template],
            stop_ids=stop_ids(TEMPLATES[stage.template], tokenizer),
            adapter=name if name in adapters else None,
            version=_version(stage),
        )
        for name, stage in stages.items()
    }
    preprocessing = _preprocessing(first, model)
    store = _store(sources, first, model, preprocessing)
    return LoadedModels(model, tokenizer, preprocessing, adapters, served_models, store)


def _store(
    sources: Sequence[ModelSource],
    stage: StageResult,
    model: "PaloForConditionalGeneration",
    preprocessing: Preprocessing,
) -> ImageStore | None:
    """Opens the image store of models on one base: the first one that a source names."""
    folder = next((source.images for source in sources if source.images is not None), None)
    if folder is None:
        return None
    wanted = StoreSpec(
        kind="features",
        shape=(model.config.num_patches, model.config.vision_hidden_size),
        dtype="bf16",
        tower_fingerprint=stage.fingerprints["tower"],
        layer=model.config.vision_feature_layer,
        select=model.config.vision_feature_select,
        preprocessing=preprocessing,
    )
    folder = find_store(folder, wanted)
    own = read_spec(folder)  # any type will do
    return ImageStore(folder, replace(wanted, dtype=own.dtype, computed_in=own.computed_in))


def _preprocessing(stage: StageResult, model: "PaloForConditionalGeneration") -> Preprocessing:
    if stage.preprocessing is None:
        return read_preprocessing(stage.parts.tower, model.config.input_image_size)
    return from_dict(Preprocessing, stage.preprocessing)


def _version(stage: StageResult) -> str:
    """Returns a fingerprint of a model's weights."""
    written = [stage.folder / "model.json", stage.folder / "projector.safetensors"]
    written += sorted(stage.folder.glob("adapter/*.safetensors"))
    written += sorted(stage.folder.glob("language_model/*.safetensors"))
    hashes = "".join(storage.file_hash(path) for path in written)
    return f"fp_{hashlib.sha256(hashes.encode()).hexdigest()[:12]}"


def load_engine(
    sources: Sequence[ModelSource], settings: EngineSettings, backend: Backend
) -> tuple[LoadedModels, InferenceEngine]:
    """Loads models that share one base, and their engine.

    Args:
        sources: The models; a single one for vLLM.
        settings: Sizes of the engine; the built-in one takes less where memory is short.
        backend: The built-in engine, or vLLM.

    Raises:
        ConfigError: If vLLM isn't installed, isn't known to run the language model, or a setting
            is out of range.
        DataError: If a folder holds no finished stage.
        MismatchError: If weights don't fit together.
        ResourceError: If memory has no room for one conversation.
    """
    config.check(settings)
    if backend == "built-in":
        loaded = load_models(sources)
        fitted = fit_engine(settings, loaded.model)
        batcher = Scheduler(loaded.model, loaded.tokenizer, fitted, loaded.adapters)
        return loaded, LocalEngine(batcher)
    _require_vllm(sources)
    loaded = load_models(sources, "cpu")
    model, has_gpu = loaded.model, torch.cuda.is_available()
    if has_gpu:
        model.to(torch.bfloat16)
    # vLLM reads the weights only when it starts.
    with TemporaryDirectory(prefix="palo-vllm-") as folder:
        write_language_model(model, Path(folder))
        model.to("cuda" if has_gpu else "cpu")
        engine = VllmEngine(model, loaded.tokenizer, settings, Path(folder))
    return loaded, engine


def _require_vllm(sources: Sequence[ModelSource]) -> None:
    """Rejects models that vLLM isn't known to run, before any weight is read."""
    for source in sources:
        stage = read_stage(local_copy(source.folder))
        backbone = read_backbone(language_model_folder(stage))
        backbone.require("replica.backend vllm", "Leave replica.backend at built-in.")
