"""Export to GGUF for llama.cpp: the language model, and tower and projector as its mmproj.

    write_gguf(read_stage(Path("runs/quickstart/finetune")), Path("exported"), "float16")

llama-server then takes `-m model.gguf --mmproj mmproj.gguf`. docs/weights_gguf.md says what
llama.cpp does otherwise than this package, and how far answers differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo.checkpoint.exporting.gguf_file import (
    GgufType,
    require_gguf,
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
from palo.checkpoint.exporting.gguf_tokenizer import add_tokenizer_fields, vocabulary_of
from palo.checkpoint.finished import StageResult, language_model_folder
from palo.checkpoint.merged_weights import merged_weights
from palo.errors import MismatchError
from palo.model.config import PaloConfig
from palo.model.sizes import from_folders
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufFiles:
    """The files of an export.

    Attributes:
        model: The language model with its tokenizer and chat template.
        mmproj: Tower and projector; None for a model that was trained without images.
    """

    model: Path
    mmproj: Path | None


def write_gguf(
    stage: StageResult,
    folder: Path,
    dtype: GgufType = "float16",
    *,
    class_row: ClassRow = "first",
) -> GgufFiles:
    """Writes a finished model as GGUF, its adapter merged, in the memory of its largest tensor.

    Everything that can be refused is refused before the first byte is written.

    Args:
        stage: The finished stage.
        folder: Where model.gguf and mmproj.gguf go.
        dtype: Type of the matrices; vectors and position embeddings stay float32.
        class_row: Which row of the tower's position embeddings is the class token's. `first` is
            the format's own order. `last` is for the releases of llama.cpp since May 2025, which
            append the token instead of putting it first.

    Raises:
        MismatchError: If llama.cpp has no place for a part of the model, or would treat texts or
            images otherwise than it was trained with.
        ResourceError: If the gguf package is missing.
        StorageError: If a file can't be read or written, or the disk has no room.
    """
    require_gguf()
    config = from_folders(
        stage.parts.tower,
        language_model_folder(stage),
        stage.parts.projector_type,
        stage.parts.image_size,
    )
    _require_expressible(stage, config)
    weights = merged_weights(stage)
    tokenizer = load_tokenizer(stage.parts.tokenizer)
    vocabulary = vocabulary_of(tokenizer, config.text_config.vocab_size)
    shapes = weights.shapes
    model_tensors = language_model_tensors(config.text_config, shapes, dtype)
    model, mmproj = folder / "model.gguf", folder / "mmproj.gguf"
    preprocessing = stage.preprocessing

    def add_model_fields(writer: Any) -> None:  # noqa: ANN401 - untyped package
        from gguf import GGUFType

        writer.add_type(GGUFType.MODEL)
        writer.add_name(stage.folder.name)
        add_language_model_fields(writer, config.text_config)
        add_tokenizer_fields(writer, vocabulary, tokenizer, TEMPLATES[stage.template])

    if preprocessing is None:
        write_gguf_file(model, "llama", dtype, add_model_fields, model_tensors, weights)
        return GgufFiles(model=model, mmproj=None)
    mmproj_content = mmproj_tensors(config, shapes, dtype, class_row)

    def add_fields(writer: Any) -> None:  # noqa: ANN401 - untyped package
        writer.add_name(stage.folder.name)
        add_mmproj_fields(writer, config, preprocessing)

    write_gguf_file(model, "llama", dtype, add_model_fields, model_tensors, weights)
    write_gguf_file(mmproj, "clip", dtype, add_fields, mmproj_content, weights)
    return GgufFiles(model=model, mmproj=mmproj)


def _require_expressible(stage: StageResult, config: PaloConfig) -> None:
    if faults := list(_faults(stage, config)):
        raise MismatchError(
            f"llama.cpp can't run the model in {stage.folder} as it was trained",
            seen="; ".join(faults),
            fix="Export to a Hugging Face folder instead.",
        )


def _faults(stage: StageResult, config: PaloConfig) -> Iterator[str]:
    yield from language_model_faults(config.text_config)
    if stage.preprocessing is not None:
        yield from mmproj_faults(config, stage.preprocessing)
