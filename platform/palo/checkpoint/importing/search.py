"""Where a part may lie that a checkpoint only names: a tower, or the base of an adapter.

Nothing is fetched. A name like `openai/clip-vit-large-patch14-336` is looked for beside the
checkpoint, in `models/`, in the folders of the environment variable PALO_MODELS (separated as in
PATH), in `models/` of the store, and in Hugging Face's cache of this machine.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from palo import storage
from palo.errors import DataError
from palo.store import store_root

SEARCH_PATH = "PALO_MODELS"
"""Environment variable with more folders of models."""
_MODELS = Path("models")
_LONGEST_NAME = 250


def find_part(name: str, *, what: str, flag: str, beside: Path) -> Path:
    """Returns the folder of a part that a checkpoint names.

    Args:
        name: As the checkpoint has it: a path, or OWNER/NAME.
        what: What it is, for the message.
        flag: The option that names it.
        beside: Folder of the checkpoint.

    Raises:
        DataError: If it isn't found.
    """
    if (
        all(0 < len(part) <= _LONGEST_NAME for part in name.split("/") if part)
        and name.isprintable()
    ):
        for place in _candidates(name.rstrip("/"), beside):
            if (place / "config.json").is_file():
                return place
    raise DataError(
        f"{beside} has no {what} in it, and names one that isn't found",
        seen=f"{name!r:.200}" if name else "it names none",
        fix=f"Give its folder with {flag}, or put it in models/, or name the folder around "
        f"it in {SEARCH_PATH}.",
    )


def _candidates(name: str, beside: Path) -> Iterator[Path]:
    if not name:
        return
    own = name.rpartition("/")[2]
    if own in ("", ".", ".."):
        return
    yield storage.path_of(name)
    yield beside.parent / own
    searched = os.environ.get(SEARCH_PATH, "")
    folders = [_MODELS, *map(Path, filter(None, searched.split(os.pathsep)))]
    if (root := store_root()) is not None:
        folders.append(root / _MODELS)
    for folder in folders:
        yield folder / own
        yield folder / name.lstrip("/")
    yield from _snapshots(name)


def _snapshots(name: str) -> Iterator[Path]:
    """Yields what Hugging Face's cache has of a repository: what `main` is, then others."""
    owner, _, own = name.partition("/")
    if not own or "/" in own:
        return
    folder = _hugging_face() / f"models--{owner}--{own}"
    main = folder / "refs" / "main"
    if main.is_file():
        yield folder / "snapshots" / storage.read_text(main).strip()
    if (folder / "snapshots").is_dir():
        yield from sorted((folder / "snapshots").iterdir())


def _hugging_face() -> Path:
    if place := os.environ.get("HF_HUB_CACHE"):
        return Path(place)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(os.environ.get("HF_HOME") or f"{cache}/huggingface") / "hub"
