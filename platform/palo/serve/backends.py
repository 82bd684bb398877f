"""Which engine a replica computes with."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

from palo.inference.interface import InferenceEngine
from palo.inference.local_engine import LocalEngine
from palo.inference.scheduler import Scheduler
from palo.inference.settings import EngineSettings
from palo.inference.vllm_engine import VllmEngine, write_language
from palo.serve.loading import LoadedModels, ModelSource, load_models

Backend = Literal["built-in", "vllm"]


def load_engine(
    sources: Sequence[ModelSource], settings: EngineSettings, backend: Backend
) -> tuple[LoadedModels, InferenceEngine]:
    """Loads models that share one base, and what answers with them.

    Args:
        sources: The models; just one for vLLM.
        settings: Sizes of the engine.
        backend: The built-in engine, or vLLM.

    Raises:
        ConfigError: If vLLM isn't installed, or a setting is out of range.
        DataError: If a folder holds no finished stage.
        MismatchError: If weights don't fit together.
    """
    if backend == "built-in":
        loaded = load_models(sources)
        batcher = Scheduler(loaded.model, loaded.tokenizer, settings, loaded.adapters)
        return loaded, LocalEngine(batcher)
    loaded = load_models(sources, "cpu")
    model, has_gpu = loaded.model, torch.cuda.is_available()
    if has_gpu:
        model.to(torch.bfloat16)
    # vLLM reads the weights when it starts, and never again.
    with TemporaryDirectory(prefix="palo-vllm-") as folder:
        write_language(model, Path(folder))
        model.to("cuda" if has_gpu else "cpu")
        engine = VllmEngine(model, loaded.tokenizer, settings, Path(folder))
    return loaded, engine
