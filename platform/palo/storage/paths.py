"""Paths as texts, and texts as paths."""

import os
from pathlib import Path


def path_of(text: str | Path) -> Path:
    """Returns the path that a text names."""
    return Path(text)


def relative_text(path: Path, folder: Path) -> str:
    """Returns how to name a path from within a folder, so that both can be moved together."""
    return os.path.relpath(path, folder)


def follow(folder: Path, text: str) -> Path:
    """Returns the path that `relative_text` named."""
    return (folder / text).resolve()
