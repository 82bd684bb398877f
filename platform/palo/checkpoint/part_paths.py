"""Paths of pretrained parts as a finished stage writes them, so that its folder can be moved.

Parts that come with palo are named within the package, wherever that is installed. Others on a disk
are named relative to the stage: a checkout that is moved or copied as a whole stays whole. Those on
S3 are named in full, since a stage there is copied to a disk alone.
"""

from pathlib import Path

import palo
from palo import storage
from palo.store import store_root

_PACKAGE = Path(palo.__file__).resolve().parent
_IN_PACKAGE = "palo:"


def part_text(part: Path, stage: Path) -> str:
    """Returns how a stage writes the path of a part.

    Args:
        part: Folder of the part.
        stage: Folder of the stage.
    """
    resolved = part.resolve()
    if resolved.is_relative_to(_PACKAGE):
        return _IN_PACKAGE + resolved.relative_to(_PACKAGE).as_posix()
    if isinstance(resolved, storage.S3Path):
        return str(resolved)
    return storage.relative_text(resolved, stage.resolve())


def part_path(text: str, stage: Path) -> Path:
    """Returns the folder that a stage names; where the run was moved alone, the part is looked for.

    It is looked for below the working folder, which holds `models/` in a checkout, below the root,
    and among the models of the store. Whether it is the right one, its fingerprint says.

    Args:
        text: What `part_text` returned, or an absolute path.
        stage: Folder of the stage.
    """
    if text.startswith(_IN_PACKAGE):
        return _PACKAGE / text.removeprefix(_IN_PACKAGE)
    named = storage.follow(stage.resolve(), text)
    if named.is_dir():
        return named
    below = Path(*(name for name in Path(text).parts if name not in ("..", "/")))
    places = [folder / below for folder in (Path.cwd(), Path("/"))]
    if (root := store_root()) is not None:
        places.append(root / "models" / named.name)
    return next((place for place in places if place.is_dir()), named)
