"""Export to GGUF for llama.cpp: the language model, and tower and projector as its mmproj.

    write_gguf(read_stage(Path("runs/quickstart/finetune")), Path("exported"), "float16")

llama-server then takes `-m model.gguf --mmproj mmproj.gguf`. docs/weights_gguf.md says what
llama.cpp does otherwise than this package, and how far answers differ.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from palo.checkpoint.exporting.gguf_file import (
    GgufFile,
    GgufTensor,
    GgufType,
    require_package,
    write_gguf_file,
)
from palo.checkpoint.exporting.gguf_language_model import (
    add_language_model_fields,
    language_model_faults,
    language_model_tensors,
)
from palo.checkpoint.exporting.gguf_mmproj import (
    ClassRow,
    add_mmproj_fields,
    mmproj_faults,
    mmproj_tensors,
)
from palo.checkpoint.exporting.gguf_tokenizer import (
    GgufVocabulary,
    add_tokenizer_fields,
    vocabulary_of,
)
from palo.checkpoint.exporting.llava import stage_config
from palo.checkpoint.finished import StageResult
from palo.checkpoint.merged_weights import MergedWeights, merged_weights
from palo.errors import ConfigError
from palo.model.backbones import backbone_of
from palo.model.config import PaloConfig
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer, load_tokenizer

MODEL_FILE, MMPROJ_FILE = "model.gguf", "mmproj.gguf"
DEFAULT_CLASS_ROW: ClassRow = "last"


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufFiles:
    """The files of an export.

    Attributes:
        model: The language model with its tokenizer and chat template.
        mmproj: Tower and projector; None for a model that was trained without images.
    """

    model: Path
    mmproj: Path | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """What is written: all that can be refused has been."""

    stage: StageResult
    config: PaloConfig
    weights: MergedWeights
    tokenizer: TextTokenizer
    vocabulary: GgufVocabulary
    model: list[GgufTensor]
    mmproj: list[GgufTensor]
    class_row: ClassRow


def require_gguf(stage: StageResult) -> None:
    """Checks that llama.cpp can run a model as it was trained.

    Args:
        stage: The finished stage.

    Raises:
        ConfigError: If it would treat images otherwise, or has no place for a part of the model.
        MismatchError: If it would give texts other ids.
        ResourceError: If the gguf package is missing.
        StorageError: If a file is missing or damaged.
    """
    _planned(stage, "float32", DEFAULT_CLASS_ROW)


def gguf_bytes(stage: StageResult, dtype: GgufType) -> int:
    """Returns about how many bytes the files of a model have.

    Args:
        stage: The finished stage.
        dtype: Type of the matrices.

    Raises:
        ConfigError: If llama.cpp can't run it as it was trained.
        MismatchError: If llama.cpp would give texts other ids.
        ResourceError: If the gguf package is missing.
        StorageError: If a file is missing or damaged.
    """
    plan = _planned(stage, dtype, DEFAULT_CLASS_ROW)
    return sum(tensor.num_bytes for tensor in (*plan.model, *plan.mmproj))


def gguf_tensors(stage: StageResult) -> dict[str, list[GgufTensor]]:
    """Returns what the files of a model hold, by file name.

    Args:
        stage: The finished stage.

    Raises:
        ConfigError: If llama.cpp can't run it as it was trained.
        MismatchError: If llama.cpp would give texts other ids.
        ResourceError: If the gguf package is missing.
        StorageError: If a file is missing or damaged.
    """
    plan = _planned(stage, "float32", DEFAULT_CLASS_ROW)
    return {MODEL_FILE: plan.model} | ({MMPROJ_FILE: plan.mmproj} if plan.mmproj else {})


def write_gguf(
    stage: StageResult,
    folder: Path,
    dtype: GgufType = "float16",
    *,
    class_row: ClassRow = DEFAULT_CLASS_ROW,
    wrote: Callable[[int], None] = lambda _: None,
) -> GgufFiles:
    """Writes a finished model as GGUF, its adapter merged, in the memory of its largest tensor.

    Everything that can be refused is refused before the first byte is written.

    Args:
        stage: The finished stage, as `read_stage` describes it.
        folder: Where model.gguf and mmproj.gguf go.
        dtype: Type of the matrices; vectors and position embeddings stay float32.
        class_row: Which row of the tower's position embeddings is the class token's. `last` is
            for the releases of llama.cpp since May 2025, which append the token but count from the
            front. `first`, CLIP's own order, is for those before, and for one that mends that.
        wrote: Receives the bytes of each tensor that was written.

    Raises:
        ConfigError: If llama.cpp would treat images otherwise, or has no place for a part.
        MismatchError: If llama.cpp would give texts other ids.
        ResourceError: If the gguf package is missing.
        StorageError: If a file can't be read or written.
    """
    plan = _planned(stage, dtype, class_row)
    model = GgufFile(folder / MODEL_FILE, "llama", dtype, plan.model)
    write_gguf_file(model, plan.weights, partial(_add_model_fields, plan=plan), wrote)
    if not plan.mmproj:
        return GgufFiles(model=model.path, mmproj=None)
    mmproj = GgufFile(folder / MMPROJ_FILE, "clip", dtype, plan.mmproj)
    write_gguf_file(mmproj, plan.weights, partial(_add_mmproj_fields, plan=plan), wrote)
    return GgufFiles(model=model.path, mmproj=mmproj.path)


def _planned(stage: StageResult, dtype: GgufType, class_row: ClassRow) -> _Plan:
    require_package()
    config = stage_config(stage)
    backbone_of(config.text_config).require("export to gguf", "Export it in another format.")
    if faults := list(_faults(stage, config)):
        raise ConfigError(
            f"llama.cpp can't run the model in {stage.folder} as it was trained",
            seen="; ".join(faults),
            fix="Export it in another format.",
        )
    weights = merged_weights(stage)
    shapes = weights.shapes
    tokenizer = load_tokenizer(stage.parts.tokenizer)
    sees = stage.preprocessing is not None
    return _Plan(
        stage=stage,
        config=config,
        weights=weights,
        tokenizer=tokenizer,
        vocabulary=vocabulary_of(tokenizer, config.text_config.vocab_size),
        model=language_model_tensors(config.text_config, shapes, dtype),
        mmproj=mmproj_tensors(config, shapes, dtype, class_row) if sees else [],
        class_row=class_row,
    )


def _faults(stage: StageResult, config: PaloConfig) -> Iterator[str]:
    yield from language_model_faults(config.text_config)
    if stage.preprocessing is not None:
        yield from mmproj_faults(config, stage.preprocessing)


def _add_model_fields(writer: Any, plan: _Plan) -> None:  # noqa: ANN401 - untyped package
    from gguf import GGUFType

    writer.add_type(GGUFType.MODEL)
    writer.add_name(plan.stage.folder.name)
    add_language_model_fields(writer, plan.config.text_config)
    template = TEMPLATES[plan.stage.template]
    add_tokenizer_fields(writer, plan.vocabulary, plan.tokenizer, template)


def _add_mmproj_fields(writer: Any, plan: _Plan) -> None:  # noqa: ANN401 - untyped package
    assert plan.stage.preprocessing is not None
    writer.add_name(plan.stage.folder.name)
    add_mmproj_fields(writer, plan.config, plan.stage.preprocessing, plan.class_row)
