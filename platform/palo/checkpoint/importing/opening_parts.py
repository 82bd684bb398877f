"""Opens what people name as parts of a training: folders as they are, or imported first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from palo.checkpoint.finished import (
    describe_stage,
    is_finished,
    language_model_folder,
    stage_folder,
)
from palo.checkpoint.importing.cache import earlier, kept, published
from palo.checkpoint.importing.layouts import LANGUAGE_MODEL, has_projector
from palo.checkpoint.importing.opening import (
    ImportOptions,
    Say,
    lineage_of,
    looks_foreign,
    open_model,
    progress_of,
    say_on_stderr,
)
from palo.checkpoint.importing.shards import weight_files
from palo.checkpoint.importing.vocabulary import TOKENIZER_FILES
from palo.checkpoint.parts import ModelParts
from palo.errors import MismatchError
from palo.model.folder_guard import safetensors_header

if TYPE_CHECKING:
    from palo.checkpoint.importing.recognise import Foreign
    from palo.checkpoint.importing.writing import PartPlan

Part = Literal["tower", "language_model", "tokenizer"]

_BESIDE_PART = (*TOKENIZER_FILES, "generation_config.json", "preprocessor_config.json")


def open_parts(parts: ModelParts, say: Say = say_on_stderr) -> ModelParts:
    """Returns the parts of a model with those imported that are foreign.

    Folders with safetensors are used as they are, on S3 too: each machine that needs them keeps a
    copy. What is imported goes to the store, if one is set, where all machines see it.

    Args:
        parts: The parts, as people name them.
        say: Gets lines about what was recognised, and the progress.

    Raises:
        MismatchError: If a folder holds another part.
        StorageError: If a file is missing or damaged or holds code, or the disk is too full.
    """
    return replace(
        parts,
        tower=published(open_part(parts.tower, "tower", say)),
        language_model=published(open_part(parts.language_model, "language_model", say)),
        tokenizer=published(open_part(parts.tokenizer, "tokenizer", say)),
    )


def open_projector(path: Path, say: Say = say_on_stderr) -> Path:
    """Returns a folder with the projector that a training starts from.

    Args:
        path: A finished stage of ours or a run, of which the pretrain stage counts; a file
            mm_projector.bin or its folder, or any model.
        say: Gets lines about what was recognised, and the progress.

    Raises:
        DataError: If there are no weights.
        MismatchError: If it is no projector that can be used here.
        StorageError: If a file is missing or damaged or holds code, or the disk is too full.
    """
    return published(_open_projector(path, say))


def _open_projector(path: Path, say: Say) -> Path:
    pretrained = path / "pretrain"
    own = pretrained if is_finished(pretrained) else stage_folder(path)
    if is_finished(own) or not looks_foreign(path):
        return own
    if path.is_dir() and ((path / "adapter_config.json").is_file() or weight_files(path)):
        return open_model(path, ImportOptions(say=say))

    def build(folder: Path) -> Sequence[Path]:
        from palo.checkpoint.importing.expected import projector_type_of, require_weights
        from palo.checkpoint.importing.recognise import recognise
        from palo.checkpoint.importing.writing import write_projector

        source = recognise(path)
        kind = projector_type_of(source.places, path)
        require_weights(source.places)
        say(f"{path}: {source.title}, {kind}")
        write_projector(
            source.places, folder, lineage_of(source, {}), progress_of(source.places, say)
        )
        return ()

    return kept(path, ("projector",), build, say)


def open_part(path: Path, part: Part, say: Say = say_on_stderr) -> Path:
    """Returns the folder of one part, imported if it is foreign.

    Args:
        path: The part, as people name it: a folder, or a finished stage or run that it is part of.
        part: Which part.
        say: Gets lines about what was recognised, and the progress.

    Raises:
        MismatchError: If a folder holds another part.
        StorageError: If a file is missing or damaged or holds code, or the disk is too full.
    """
    own = stage_folder(path)
    if is_finished(own):
        return _part_of_stage(own, part)
    if part == "tokenizer":
        return path
    files = weight_files(path) if path.is_dir() else []
    if not files or _is_readable(files):
        return path
    if (path / "adapter_config.json").is_file():
        return _part_of_stage(open_model(path, ImportOptions(say=say)), part)
    if (found := earlier(path, (part,))) is not None:
        return found
    from palo.checkpoint.importing.recognise import recognise

    source = recognise(path)
    if source.kind == "model":
        return _part_of_stage(open_model(path, ImportOptions(say=say)), part)

    def build(folder: Path) -> Sequence[Path]:
        from palo.checkpoint.importing.writing import write_part

        plan = _part_plan(source, part)
        say(f"{path}: {source.title}")
        write_part(plan, folder, lineage_of(source, {}), progress_of(plan.places, say))
        return ()

    return kept(path, (part,), build, say)


def _is_readable(files: Sequence[Path]) -> bool:
    """Returns whether files are safetensors of a part, which need no import."""
    if any(path.suffix != ".safetensors" for path in files):
        return False
    return not any(has_projector(safetensors_header(path)[0]) for path in files)


def _part_of_stage(stage: Path, part: Part) -> Path:
    described = describe_stage(stage)
    if part != "language_model":
        return getattr(described.parts, part)  # type: ignore[no-any-return]
    if described.has_adapter:
        raise MismatchError(
            "this model's language model is not complete without its adapter",
            seen=stage,
            fix="Export it with the adapter merged, and name that.",
        )
    return language_model_folder(described)


def _part_plan(source: "Foreign", part: Part) -> "PartPlan":
    from palo.checkpoint.importing.expected import (
        language_shapes,
        require_shapes,
        require_tower,
        require_weights,
        tower_layout,
        tower_places,
    )
    from palo.checkpoint.importing.writing import PartPlan
    from palo.model.backbones import BACKBONES
    from palo.model.sizes import config_of

    config = config_of(source.config, source.path)
    is_language = config.model_type in BACKBONES
    if (source.kind == "language model" and is_language) != (part == "language_model"):
        raise MismatchError(
            f"{source.path} is no {part.replace('_', ' ')} that can be used here",
            seen=f"{source.title}, model_type {config.model_type}",
            fix=f"A language model must be one of {', '.join(BACKBONES)}, a tower a vision model.",
        )
    require_weights(source.places)
    beside = (source.path / name for name in _BESIDE_PART)
    companions = tuple(path for path in beside if path.is_file())
    if is_language:
        shapes = {name: place.shape for name, place in source.places.items()}
        spare = ("language_model.lm_head.weight",) if config.tie_word_embeddings else ()
        expected = language_shapes(config)
        require_shapes(shapes, expected, "language_model.", source.path, optional=spare)
        return PartPlan(
            places=source.places,
            layout=LANGUAGE_MODEL,
            config=source.config,
            companions=companions,
        )
    places = tower_places(source)
    require_tower(places, config, source.path)
    return PartPlan(
        places=places,
        layout=tower_layout(config),
        config=config.to_dict(),
        companions=companions,
    )
