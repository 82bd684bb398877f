"""The files of weights in a folder: one, or shards with an index that says which holds what."""

import re
from collections.abc import Iterator
from pathlib import Path

from palo import storage
from palo.checkpoint.importing.layouts import is_needless
from palo.checkpoint.importing.places import TensorPlace, places_in
from palo.errors import DataError, StorageError

_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLE = ("model.safetensors", "pytorch_model.bin")
_NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.safetensors|\.bin)")
_MOST_NAMED = 3


def weight_files(folder: Path) -> list[Path]:
    """Returns the files of a folder's weights; none if it has none.

    Args:
        folder: The folder, on a disk or on S3.

    Raises:
        StorageError: If the index can't be read or is none, shards are missing, or a file lies
            elsewhere.
    """
    for name in _INDEXES:
        if (folder / name).is_file():
            return _own([folder / shard for shard in sorted(set(_index(folder / name).values()))])
    for name in _SINGLE:
        if (folder / name).is_file():
            return _own([folder / name])
    for suffix in (".safetensors", ".bin"):
        paths = sorted(folder.glob(f"*{suffix}"))
        if numbered := [path for path in paths if _NUMBERED.fullmatch(path.name)]:
            return _own(list(_all_of(numbered[0])))
    return []


def weight_places(folder: Path) -> dict[str, TensorPlace]:
    """Returns the places of all tensors of a folder's weights, by name.

    Args:
        folder: The folder, on a disk or on S3.

    Raises:
        DataError: If a file holds something else than tensors.
        StorageError: If a shard is missing or damaged, holds code, or isn't what the index says.
    """
    found: dict[str, TensorPlace] = {}
    for path in weight_files(folder):
        places = places_in(path)
        if twice := sorted(found.keys() & places.keys()):
            raise _lie(path, f"{_some(twice)} are in {found[twice[0]].file.name}, too")
        found |= places
    for name in _INDEXES:
        if (folder / name).is_file():
            _compare(folder / name, found)
            break
    return found


def _all_of(shard: Path) -> Iterator[Path]:
    """Yields the paths of all shards that go with one."""
    match = _NUMBERED.fullmatch(shard.name)
    assert match is not None
    for number in range(1, int(match[3]) + 1):
        yield shard.with_name(f"{match[1]}-{number:05d}-of-{match[3]}{match[4]}")


def _own(paths: list[Path]) -> list[Path]:
    """Checks that all files are there, in their folder."""
    if missing := [path.name for path in paths if not path.is_file()]:
        raise StorageError(
            f"weights of {paths[0].parent} are missing",
            seen=_some(missing),
            fix="Download the whole folder.",
        )
    for path in paths:
        if not storage.lies_within(path, path.parent):
            raise StorageError(
                "a file of a model is not in its folder",
                seen=path,
                fix="Copy what it is a link to, if you know what that is.",
            )
    return paths


def _index(path: Path) -> dict[str, str]:
    values = storage.read_json(path)
    names = values.get("weight_map") if isinstance(values, dict) else None
    if not isinstance(names, dict) or not names or not all(map(_is_file_name, names.values())):
        raise StorageError(
            f"{path} is no index of weights",
            seen="no weight_map from tensors to files in the same folder",
            fix="Download it again.",
        )
    return names


def _is_file_name(name: object) -> bool:
    plain = isinstance(name, str) and name == Path(name).name
    return plain and str(name).endswith((".safetensors", ".bin"))


def _compare(path: Path, found: dict[str, TensorPlace]) -> None:
    """Raises StorageError unless the index says of each tensor where it is."""
    said = _index(path)
    elsewhere = [
        f"{name} in {said[name]}"
        for name in sorted(said)
        if not is_needless(name) and (name not in found or found[name].file.name != said[name])
    ]
    if elsewhere:
        raise _lie(path, f"no {_some(elsewhere)}")
    unnamed = [name for name in sorted(found) if name not in said and not is_needless(name)]
    if unnamed:
        raise _lie(path, f"it doesn't name {_some(unnamed)}")


def _lie(path: Path, seen: str) -> StorageError:
    return StorageError(
        f"{path} doesn't say what its shards hold", seen=seen, fix="Download all files again."
    )


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + rest


def require_tensors(folder: Path, places: dict[str, TensorPlace]) -> None:
    """Checks that a folder has weights at all.

    Args:
        folder: The folder.
        places: The places of its tensors.

    Raises:
        DataError: If there are none.
    """
    if not places:
        raise DataError(
            "no weights here",
            seen=folder,
            fix="Name the folder of a model with .safetensors or .bin files and config.json.",
        )
