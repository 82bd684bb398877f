"""The pretrained parts of a model, and fingerprints of their weights."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from palo import storage
from palo.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelParts:
    """Where a model's pretrained parts lie and how they are joined.

    Jobs import what libraries don't read, such as pickled weights or a folder on S3.

    Attributes:
        tower: Hugging Face folder of the image tower.
        language_model: Hugging Face folder of the language model.
        tokenizer: Folder with `tokenizer.model` or `tokenizer.json`.
        projector_type: "mlp2x_gelu" (any depth instead of 2) or "ldp".
        image_size: Side of the images in pixels; None for the tower's own.
    """

    tower: Path
    language_model: Path
    tokenizer: Path
    projector_type: str = "mlp2x_gelu"
    image_size: int | None = None

    def missing(self) -> list[str]:
        """Lists the folders that are not there, each with what it should hold."""
        return [
            f"{name} {getattr(self, name)}"
            for name in ("tower", "language_model", "tokenizer")
            if not getattr(self, name).is_dir()
        ]

    def require(self) -> None:
        """Refuses to start without the pretrained parts.

        Raises:
            DataError: If a folder is missing.
        """
        if missing := self.missing():
            raise DataError(
                "pretrained parts are missing",
                seen=", ".join(missing),
                fix="Put them there, or name other folders with --parts.tower and the like.",
            )


def own_language_model(stage: Path, *, has_adapter: bool) -> Path:
    """Returns where the language model of a finished stage lies, whole, once it was merged.

    Args:
        stage: Folder of the stage.
        has_adapter: Whether it trained an adapter, or else all of the language model.
    """
    name = "merged/language_model" if has_adapter else "language_model"
    return stage / name


def weights_fingerprint(folder: Path) -> str:
    """Returns 16 hexadecimal digits that name the configuration and weights in a folder.

    Args:
        folder: Folder of a tower or a language model.

    Raises:
        DataError: If the folder is missing or holds no safetensors file.
    """
    if not folder.is_dir():
        raise DataError(
            "the folder of pretrained weights is missing", seen=folder, fix="Check its path."
        )
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    if len(files) == 1:
        raise DataError(
            "no weights in safetensors format",
            seen=folder,
            fix="Give it to a job as a part: that imports pickles, without running their code.",
        )
    stamps = tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _combined_hash(stamps)


@lru_cache(maxsize=64)
def _combined_hash(stamps: tuple[tuple[str, int, int], ...]) -> str:
    return fingerprint_of([storage.known_hash(storage.path_of(path)) for path, _, _ in stamps])


def fingerprint_of(hashes: Iterable[str]) -> str:
    """Returns the 16 hexadecimal digits that name files with these hashes.

    Args:
        hashes: SHA-256 of config.json, then of each file of weights in the order of names.
    """
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
