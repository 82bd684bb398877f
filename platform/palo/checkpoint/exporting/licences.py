"""What a part's own folder says of its name and its licence, and the licence files in it."""

import re
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

import palo
from palo import storage
from palo.checkpoint.aligned_from import stage_of
from palo.checkpoint.finished import describe_stage

_FILES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "USE_POLICY*")
_MOST_BYTES = 1 << 20
_LICENCE = re.compile(r"^license(?:_name)?: *([\w.\-]{1,60})", re.MULTILINE)
_PACKAGE = Path(palo.__file__).resolve().parent


@dataclass(frozen=True, kw_only=True, slots=True)
class PartLicence:
    """The licence of a pretrained part.

    Attributes:
        name: What its model card calls it; empty where that isn't recorded.
        files: Its texts.
    """

    name: str
    files: tuple[Path, ...]


def licence_of(folder: Path) -> PartLicence:
    """Returns what a model's folder says of its licence; an aligned one has that of its base.

    Args:
        folder: Folder of a pretrained part.
    """
    folder = _base_of(folder)
    files = sorted({path for pattern in _FILES for path in folder.glob(pattern)})
    kept = tuple(path for path in files if _is_text_of(folder, path))
    if folder.resolve().is_relative_to(_PACKAGE):
        return PartLicence(name=_own_licence(), files=kept)
    card = folder / "README.md"
    found = None
    if _is_text_of(folder, card):
        head = storage.read_bytes(card).decode("utf-8", "replace").split("\n---")[0]
        found = _LICENCE.search(head) if head.startswith("---") else None
    return PartLicence(name=found[1] if found else "", files=kept)


def _base_of(folder: Path) -> Path:
    """Returns what a language model was aligned from; any other folder itself."""
    stage = stage_of(folder)
    return folder if stage is None else _base_of(describe_stage(stage).parts.language_model)


def _is_text_of(folder: Path, path: Path) -> bool:
    """Whether a path is a small file of its folder, not a link to what nobody meant to publish."""
    is_own = path.is_file() and storage.lies_within(path, folder)
    return is_own and path.stat().st_size <= _MOST_BYTES


def _own_licence() -> str:
    found: list[str] = metadata("palo").get_all("License-Expression", [""])
    return found[0]


def named_model(folder: Path) -> str:
    """Returns the name that a part is known by: of a Hugging Face snapshot, the repository's.

    Args:
        folder: Folder of a pretrained part.
    """
    base = _base_of(folder)
    if base != folder:
        return f"{named_model(base)}, aligned on parallel text"
    for name in folder.resolve().parts:
        if name.startswith("models--"):
            return name.removeprefix("models--").replace("--", "/")
    resolved = folder.resolve()
    if resolved.is_relative_to(_PACKAGE):
        return f"palo:{resolved.relative_to(_PACKAGE).as_posix()}"
    return resolved.name
