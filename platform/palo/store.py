"""The one setting for storage: `PALO_STORE`, a folder that all machines share or s3://bucket/prefix.

What is relative by default lies below it:

    runs/NAME       runs: checkpoints, metrics, results, what asks a run to stop
    corpora/        corpora that runs share
    images/         image stores
    models/         pretrained weights
    data/           source files of the recipes
    keys.json       API keys of the endpoint
    feedback/       rated answers

Without the setting these are folders of the checkout, or of `PALO_HOME`.
"""

import os
from pathlib import Path

from palo import storage
from palo.errors import ConfigError

STORE = "PALO_STORE"
"""Environment variable that names the store."""
RUNS = Path("runs")
"""Folder of the runs, in a store and in a checkout."""
# In a checkout these lie among the runs, where git ignores them.
_MOVED = {
    Path("runs/keys.json"): Path("keys.json"),
    Path("runs/feedback"): Path("feedback"),
    Path("runs/corpora"): Path("corpora"),
    Path("runs/image_stores"): Path("images"),
}


def store_root() -> Path | None:
    """Returns the store that is set; None if there is none.

    Raises:
        ConfigError: If it is a relative path, which each process would find elsewhere.
        StorageError: If it is an s3:// URI without a bucket.
    """
    return shared_folder(STORE, os.environ.get(STORE, ""))


def shared_folder(setting: str, text: str) -> Path | None:
    """Returns the folder that a setting of all machines names; None if it is empty.

    Args:
        setting: The environment variable.
        text: What it holds.

    Raises:
        ConfigError: If it is a relative path, which each process would find elsewhere, or a file.
        StorageError: If it is an s3:// URI without a bucket.
    """
    if not text.strip():
        return None
    folder = storage.path_of(text.strip())
    if not folder.is_absolute():
        raise ConfigError(
            f"{setting} is a relative path",
            seen=text.strip(),
            fix="Write the whole path of a folder that all machines share, or s3://bucket/prefix.",
        )
    if not isinstance(folder, storage.S3Path) and folder.is_file():
        raise ConfigError(
            f"{setting} names a file",
            seen=folder,
            fix="Name a folder that all machines share, or s3://bucket/prefix.",
        )
    return folder


def choose_store(text: str) -> None:
    """Makes a folder the store of this process and of those that it starts.

    Args:
        text: A path, which may be relative to the working folder, or s3://bucket/prefix.

    Raises:
        StorageError: If it is an s3:// URI without a bucket.
    """
    os.environ[STORE] = str(storage.path_of(text).expanduser().absolute())


def lasting_path(path: Path, *, on_disk: bool = False) -> Path:
    """Returns where a relative path of something that lasts really lies.

    That is in the store, if one is set, else below `PALO_HOME`. A submitted job works in a copy of
    the checkout that Ray deletes: there it is below ~/palo.

    Args:
        path: Any path; an absolute one, or one on S3, is returned as it is.
        on_disk: Whether it can only lie on a disk; then a store on S3 doesn't count.

    Raises:
        ConfigError: If the setting of the store is wrong.
    """
    if path.is_absolute():
        return path
    root = store_root()
    if root is not None and not (on_disk and isinstance(root, storage.S3Path)):
        return root / _MOVED.get(path, path)
    home = os.environ.get("PALO_HOME")
    if not home and "runtime_resources" in Path.cwd().parts:
        home = str(Path.home() / "palo")
    return Path(home) / path if home else path


def input_path(path: Path) -> Path:
    """Returns where a file or folder lies that a recipe names by default, such as its weights.

    Args:
        path: A path as the recipe has it; without a store it is returned as it is.

    Raises:
        ConfigError: If the setting of the store is wrong.
    """
    root = store_root()
    return path if root is None or path.is_absolute() else root / path


def found_path(path: Path) -> Path:
    """Returns where a run or a model lies that somebody names: here, else where runs last.

    Args:
        path: Any path.

    Raises:
        ConfigError: If the setting of the store is wrong.
    """
    return path if path.exists() else lasting_path(path)
