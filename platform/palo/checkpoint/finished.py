"""The folder of a finished stage: its weights, and everything needed to use and trace it.

projector.safetensors     the projector
adapter/                  a PEFT adapter, if the stage trained LoRA weights
language_model/           the whole language model, if the stage trained that
merged/language_model/    of an align stage, the language model with the adapter in its weights
model.json                pretrained parts with their fingerprints, template, preprocessing
lineage.json              fingerprints and settings back to the source files
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from palo import storage
from palo.checkpoint.adapter_config import write_adapter_config
from palo.checkpoint.part_paths import part_path, part_text
from palo.checkpoint.parts import ModelParts, weights_fingerprint
from palo.config import from_dict, to_dict
from palo.errors import DataError, MismatchError, StorageError
from palo.model.lora import LoraSettings, file_name
from palo.model.new_token_names import adapter_name, first_new_id, is_new_rows, trained_tokens

# Many look at a stage whose weights they don't load: torch, which takes seconds, stays away.
if TYPE_CHECKING:
    import torch

FORMAT_VERSION = 3
_READ_VERSIONS = (2, FORMAT_VERSION)  # format 2 names the parts by absolute paths
_FOLDERS = ("tower", "language_model", "tokenizer")
_TRACED_PACKAGES = ("torch", "transformers", "peft", "deepspeed", "ray")
_PEFT_PREFIX = "base_model.model."


@dataclass(frozen=True, kw_only=True, slots=True)
class StageResult:
    """A finished stage as its folder describes it.

    Attributes:
        folder: The folder.
        parts: The pretrained parts.
        fingerprints: What the parts' weights must be.
        template: Conversation template that it was trained with.
        preprocessing: What happens to an image before the tower sees it; None if it saw none.
        has_adapter: Whether it trained LoRA weights.
        has_language_model: Whether it trained the whole language model.
    """

    folder: Path
    parts: ModelParts
    fingerprints: Mapping[str, str]
    template: str
    preprocessing: Mapping[str, Any] | None
    has_adapter: bool
    has_language_model: bool


def write_stage(
    folder: Path,
    weights: Mapping[str, "torch.Tensor"],
    *,
    parts: ModelParts,
    lora: LoraSettings | None,
    template: str,
    preprocessing: Mapping[str, Any] | None,
    lineage: Mapping[str, Any],
) -> StageResult:
    """Writes the result of a stage; `model.json` comes last and says that it is whole.

    Args:
        folder: Folder of the stage.
        weights: Trained weights by canonical name.
        parts: The pretrained parts.
        lora: Sizes of the adapter, if there is one.
        template: Conversation template.
        preprocessing: What happens to an image.
        lineage: What it was made of, as JSON values.
    """
    from palo.checkpoint.tensors import write_tensors

    by_part: dict[str, dict[str, torch.Tensor]] = {
        "projector": {},
        "lora": {},
        "language_model": {},
    }
    new_rows: dict[str, int] = {}
    for name, tensor in weights.items():
        if name.startswith("projector."):
            by_part["projector"][name.removeprefix("projector.")] = tensor
        elif ".lora_" in name:
            by_part["lora"][_PEFT_PREFIX + file_name(name)] = tensor
        elif is_new_rows(name):
            new_rows[name] = len(tensor)
            by_part["lora"][_PEFT_PREFIX + adapter_name(name)] = tensor
        else:
            by_part["language_model"][name.removeprefix("language_model.")] = tensor
    write_tensors(folder / "projector.safetensors", by_part["projector"])
    if lora is not None:
        write_tensors(folder / "adapter" / "adapter_model.safetensors", by_part["lora"])
        tokens = trained_tokens(new_rows, first_new_id(parts.language_model))
        write_adapter_config(folder / "adapter" / "adapter_config.json", lora, tokens)
    if by_part["language_model"]:
        write_tensors(folder / "language_model" / "model.safetensors", by_part["language_model"])
        config = storage.read_text(parts.language_model / "config.json")
        storage.write_text(folder / "language_model" / "config.json", config)
    hashes = {
        str(path.relative_to(folder)): storage.file_hash(path)
        for path in sorted(folder.rglob("*.safetensors"))
        if "checkpoints" not in path.parts
    }
    result = StageResult(
        folder=folder,
        parts=parts,
        fingerprints=part_fingerprints(parts),
        template=template,
        preprocessing=preprocessing,
        has_adapter=lora is not None,
        has_language_model=bool(by_part["language_model"]),
    )
    describe_written(result, {"weights": hashes, **lineage})
    return result


def describe_written(result: StageResult, lineage: Mapping[str, Any]) -> None:
    """Writes what a stage's folder says of its weights: `lineage.json`, and last `model.json`.

    Args:
        result: The stage, whose weights are written.
        lineage: What it was made of, as JSON values; versions of packages are added.
    """
    folder, parts = result.folder, result.parts
    versions = {name: version(name) for name in _TRACED_PACKAGES}
    storage.write_json(folder / "lineage.json", {**lineage, "versions": versions})
    described = {k: v for k, v in to_dict(result).items() if k != "folder"}
    described["parts"] |= {name: part_text(getattr(parts, name), folder) for name in _FOLDERS}
    storage.write_json(folder / "model.json", {"version": FORMAT_VERSION, **described})


def part_fingerprints(parts: ModelParts) -> dict[str, str]:
    """Returns the fingerprints of the tower's and the language model's weights.

    Args:
        parts: The pretrained parts.
    """
    return {name: weights_fingerprint(getattr(parts, name)) for name in ("tower", "language_model")}


def local_copy(folder: Path) -> Path:
    """Returns the folder of a finished stage on a disk, where libraries read what is in it.

    Args:
        folder: The folder; one on S3 is copied to this machine, without its checkpoints.

    Raises:
        StorageError: If it can't be copied.
    """
    if not isinstance(folder, storage.S3Path):
        return folder
    name = f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    copy = storage.scratch_folder() / "stages" / name
    return storage.keep_copy(folder, copy, lambda path: path.parts[0] != "checkpoints")


def is_finished(folder: Path) -> bool:
    """Returns whether a folder holds a finished stage.

    Args:
        folder: Folder of the stage.
    """
    return (folder / "model.json").is_file()


def stage_folder(folder: Path) -> Path:
    """Returns the folder of a stage: for a run whose finetune stage is finished, that of the stage.

    Args:
        folder: Folder of a stage or of a run.
    """
    finetuned = folder / "finetune"
    return finetuned if is_finished(finetuned) else folder


def newest_run(runs: Path) -> Path:
    """Returns the run whose finetune stage finished last.

    Args:
        runs: Folder of runs.

    Raises:
        DataError: If there is none.
    """
    for newest in finished_runs(runs):
        return newest
    raise DataError(
        "there is no finished model yet",
        seen=runs,
        fix="Train one with `make finetune`, or name the folder of a model.",
    )


def finished_runs(runs: Path) -> dict[Path, float]:
    """Returns the runs whose finetune stage is finished, which can be served, the newest first.

    Args:
        runs: Folder of runs, on a disk or on S3, where each costs a request or two.

    Returns:
        When each was finished, as Unix time.
    """
    written = (run / "finetune" / "model.json" for run in (runs.iterdir() if runs.is_dir() else ()))
    times = {path.parent.parent: path.stat().st_mtime for path in written if path.is_file()}
    return dict(sorted(times.items(), key=lambda item: item[1], reverse=True))


def describe_stage(folder: Path) -> StageResult:
    """Reads the description of a finished stage, without its weights.

    Args:
        folder: Folder of the stage.

    Raises:
        DataError: If the folder holds no finished stage.
        MismatchError: If another version wrote it.
    """
    if not is_finished(folder):
        raise DataError(
            "no finished model here",
            seen=folder,
            fix="Train one with `make finetune`, or name the folder of a finished stage.",
        )
    values = storage.read_json(folder / "model.json")
    if values.pop("version", None) not in _READ_VERSIONS:
        raise MismatchError(
            f"{folder} was written by another version",
            seen=f"this version reads format {FORMAT_VERSION}",
            fix="Train it again, or use the version that wrote it.",
        )
    parts = values.get("parts")
    if isinstance(parts, dict):
        found = {name: parts[name] for name in _FOLDERS if isinstance(parts.get(name), str)}
        parts |= {name: str(part_path(text, folder)) for name, text in found.items()}
    return from_dict(StageResult, {"folder": folder, **values})


def require_parts(stage: StageResult) -> None:
    """Checks that the pretrained parts of a finished stage are there.

    Args:
        stage: The finished stage.

    Raises:
        DataError: If one is missing.
    """
    if missing := stage.parts.missing():
        raise DataError(
            f"pretrained parts of the model in {stage.folder} are missing",
            seen=", ".join(missing),
            fix="Put them there, run the command in the folder that they are named from, or change "
            f"their paths in {stage.folder / 'model.json'}.",
        )


def read_stage(folder: Path) -> StageResult:
    """Reads the description of a finished stage, and checks that its parts are unchanged.

    Args:
        folder: Folder of the stage.

    Raises:
        DataError: If the folder holds no finished stage, or a pretrained part is missing.
        MismatchError: If a pretrained part is not the one that it was trained with.
    """
    result = describe_stage(folder)
    require_parts(result)
    for name, found in part_fingerprints(result.parts).items():
        if found != result.fingerprints[name]:
            raise MismatchError(
                f"{folder} was trained on another {name}",
                seen=f"{found} in {getattr(result.parts, name)}, not {result.fingerprints[name]}",
                fix="Put the right weights there, or train again.",
            )
    return result


def language_model_folder(stage: StageResult) -> Path:
    """Returns the folder of a finished stage's language model: its own, or the pretrained one.

    Args:
        stage: The finished stage.
    """
    own = stage.folder / "language_model"
    return own if stage.has_language_model else stage.parts.language_model


def projector_hash(folder: Path) -> str:
    """Returns the SHA-256 of a finished stage's projector.

    Args:
        folder: Folder of the stage.

    Raises:
        StorageError: If the file is missing.
    """
    return storage.file_hash(projector_file(folder))


def read_projector(folder: Path) -> dict[str, "torch.Tensor"]:
    """Reads the projector of a finished stage: float32 tensors by name.

    Args:
        folder: Folder of the stage.

    Raises:
        StorageError: If the file is missing or damaged.
    """
    from safetensors.torch import load, load_file

    path = projector_file(folder)
    try:
        if isinstance(path, storage.S3Path):
            return load(storage.read_bytes(path))
        return load_file(path)
    except SafetensorError as error:
        raise StorageError(f"{path} is damaged", seen=error, fix="Train it again.") from error


def projector_file(folder: Path) -> Path:
    """Returns the file of a finished stage's projector.

    Args:
        folder: Folder of the stage.

    Raises:
        StorageError: If it is missing.
    """
    path = folder / "projector.safetensors"
    if not path.is_file():
        raise StorageError(
            "no projector here", seen=folder, fix="Name the folder of a finished stage."
        )
    return path
