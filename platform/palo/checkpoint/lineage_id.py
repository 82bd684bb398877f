"""The id of a model's lineage: a short hash of its weights and of what they were made of.

Nothing that depends on where the folder lies is part of it: not the paths of parts, nor the
settings, which name folders and whose own fingerprint is recorded beside them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from palo import storage
from palo.checkpoint.finished import is_finished, stage_folder
from palo.errors import DataError

RECORD = "lineage.json"
"""File of a model's folder that says what the model was made of."""

PLACES = ("folder", "relative")
"""Fields of a record that say where something is, absolute and from the model's folder."""

_ID = re.compile(r"palo-[0-9a-f]{12}")
_DIGITS = 12
_MOST_DEPTH = 100
# One level deep: checkpoints of a stage lie deeper, and are no part of the model.
_WEIGHTS = (
    "*.safetensors", "*.gguf", "*.bin", "*/*.safetensors", "*/*.bin", "*/adapter_config.json",
)  # fmt: skip
_FOLDERS = ("tower", "language_model", "tokenizer")


def lineage_id(folder: Path) -> str:
    """Returns the id of a model's lineage.

    It is the same wherever the folder lies, and another one for other weights. A folder that was
    exported has the id of the model that it was made of. The weights of the folder are read,
    once in a process as long as they don't change.

    Args:
        folder: Folder of a run, a finished stage, or of any other model.

    Raises:
        DataError: If the folder holds no weights.
        StorageError: If a file can't be read.
    """
    found = stage_folder(folder)
    record = read_record(found) or {}
    return recorded_id(record) or id_of(found, record, weight_hashes(found))


def read_record(folder: Path) -> dict[str, Any] | None:
    """Reads what a model's folder records of its lineage; None where it records nothing.

    Args:
        folder: The folder.

    Raises:
        DataError: If the file is no JSON object.
        StorageError: If it can't be read.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    record = storage.read_json(path)
    if not isinstance(record, dict) or _is_deep(record):
        seen = "too deeply nested" if isinstance(record, dict) else str(record)[:60]
        raise DataError(f"{path} is no lineage", seen=seen, fix="Restore the file, or delete it.")
    return record


def _is_deep(values: object) -> bool:
    """Returns whether JSON values are nested deeper than any lineage is."""
    level = [values]
    for _ in range(_MOST_DEPTH):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def recorded_id(record: Mapping[str, Any]) -> str | None:
    """Returns the id that an exported folder brings along; None where it brings none.

    Args:
        record: What the folder records.
    """
    found = record.get("id")
    is_exported = "exported_from" in record and isinstance(found, str)
    return found if is_exported and _ID.fullmatch(str(found)) else None


def weight_hashes(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file of weights of a model's folder, by its name there.

    Args:
        folder: The folder.

    Raises:
        DataError: If it holds none.
        StorageError: If one can't be read.
    """
    files = sorted({path for pattern in _WEIGHTS for path in folder.glob(pattern)})
    if not files:
        raise DataError("no weights here", seen=folder, fix="Name the folder of a model.")
    hashes = {}
    for path in files:
        with storage.wrap_os_errors("read", path):
            found = path.stat()
        name = path.relative_to(folder).as_posix()
        hashes[name] = _hash(path, found.st_size, found.st_mtime_ns)
    return hashes


@lru_cache(maxsize=256)
def _hash(path: Path, size_bytes: int, modified_ns: int) -> str:
    return storage.file_hash(path)


def id_of(folder: Path, record: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """Computes the id of a model.

    Args:
        folder: Its folder.
        record: What the folder records of its lineage.
        hashes: SHA-256 of its weights by file.

    Raises:
        StorageError: If its description can't be read.
    """
    described: dict[str, Any] = {}
    if is_finished(folder):
        described = storage.read_json(folder / "model.json")
        described.pop("version", None)
        parts = described.get("parts")
        if isinstance(parts, dict):
            described["parts"] = {k: v for k, v in parts.items() if k not in _FOLDERS}
    traced = {key: value for key, value in record.items() if key not in ("settings", "weights")}
    for key in ("corpus", "started_from"):
        if isinstance(traced.get(key), Mapping):
            traced[key] = {k: v for k, v in traced[key].items() if k not in PLACES}
    traced = _without_places(traced)
    values = [dict(hashes), described, traced]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"palo-{digest[:_DIGITS]}"


def _without_places(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """Returns JSON values with names in place of absolute paths."""
    if isinstance(value, Mapping):
        return {_without_places(key): _without_places(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_places(one) for one in value]
    is_path = isinstance(value, str) and (value.startswith("/") or storage.is_uri(value))
    return value.rstrip("/").rpartition("/")[2] if is_path else value


def places_of(folder: Path, *named: object) -> list[Path]:
    """Returns where something that a model's folder names may be, each place once.

    That is where it was named, and beside the folder: a run that was moved as a whole has its
    stages beside one another.

    Args:
        folder: The model's folder.
        *named: Paths relative to the folder, or absolute ones; what is no text names nothing.
    """
    start = folder.resolve()
    texts = [text for text in named if isinstance(text, str) and text and "\0" not in text]
    followed = [storage.follow(start, text) for text in texts]
    beside = [start.parent / place.name for place in followed]
    return list(dict.fromkeys((*followed, *beside)))
