"""The state of a corpus folder before a build: what it holds, and what changed since."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from palo import storage
from palo.config import to_dict
from palo.corpus.config import CorpusConfig
from palo.corpus.images_step.image_table import IMAGE_SCHEMA, table_path, unchanged
from palo.corpus.sources import Split
from palo.corpus.task_log import OUTPUTS
from palo.data.manifest import CORPUS_VERSION, Manifest, read_manifest
from palo.errors import StorageError
from palo.images.store import commit_store
from palo.images.store_spec import StoreSpec, read_spec
from palo.storage.s3_lease import NAME as LOCK

_PARTS = (
    "manifest.json",
    "image_table.parquet",
    "image_table",
    "done",
    "images",
    "archives",
    "report",
    *OUTPUTS,
)


def settings_of(
    config: CorpusConfig, splits: Sequence[Sequence[Split]], tokenizer: str, spec: StoreSpec
) -> dict[str, Any]:
    """Returns all settings that decide what a corpus holds; files by size and modification time.

    Args:
        config: The build's configuration.
        splits: The splits of each source.
        tokenizer: Fingerprint of the tokenizer.
        spec: What the image store holds.
    """
    sources = {
        source.name: {
            "files": {
                str(split.path.resolve()): [split.size_bytes, split.modified_ns] for split in own
            },
            "images": None if source.images is None else str(source.images.resolve()),
            "allowed_hosts": source.allowed_hosts,
            "language": source.language,
            "licence": source.licence,
            "format": source.format,
            "image_place": source.image_place,
        }
        for source, own in zip(config.sources, splits, strict=True)
    }
    settings: dict[str, Any] = to_dict(
        {
            "version": CORPUS_VERSION,
            "sources": sources,
            "order": [source.name for source in config.sources],
            "template": config.template,
            "limits": config.limits,
            "tokenizer": tokenizer,
            "image_store": spec.values,
            "image_limits": config.image_limits,
            "cleaning": config.cleaning,
            "mixture": config.mixture,
        }
    )
    return settings


def changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Returns the dotted names of the settings in which two builds differ.

    Args:
        old: Settings of one build.
        new: Settings of the other.
        path: Prefix of the names.
    """
    found: list[str] = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += changes(before, after, f"{path}{key}.")
        elif before != after:
            found.append(f"{path}{key}")
    return found


def read_finished(corpus: Path) -> Manifest | None:
    """Reads the manifest of a finished corpus.

    Args:
        corpus: Folder of the corpus.

    Returns:
        The manifest; None if there is no finished corpus.
    """
    path = corpus / "manifest.json"
    return read_manifest(path) if path.exists() else None


def read_begun(corpus: Path) -> dict[str, Any] | None:
    """Reads the settings that the latest build began with.

    Args:
        corpus: Folder of the corpus.

    Returns:
        The settings; None if no build began.
    """
    path = _begun(corpus)
    if not path.exists():
        return None
    settings: dict[str, Any] = storage.read_json(path)
    return settings


def _begun(corpus: Path) -> Path:
    return corpus / "done" / "settings.json"


def what_changed(
    config: CorpusConfig, manifest: Manifest, settings: Mapping[str, Any]
) -> list[str]:
    """Returns what keeps a finished corpus from being up to date.

    Args:
        config: The build's configuration.
        manifest: Manifest of the finished corpus.
        settings: Settings of the build, from `settings_of`.

    Returns:
        Changed settings and lost files, in words; empty if the corpus is up to date.
    """
    found = changes(manifest.settings, settings)
    if found:
        return found
    if (count := _num_lost(config.output, manifest)) > 0:
        found.append(f"{count} samples files")
    images = storage.read_table(table_path(config.output), schema=IMAGE_SCHEMA)
    if count := int((~unchanged(images, with_absent=True)).sum()):
        found.append(f"{count} image files")
    wanted = images.filter(pc.is_null(images["reason"]))["image_id"].to_pylist()
    if wanted and (count := len(set(wanted) - _stored(config.store_folder))):
        found.append(f"{count} images of the store {config.store_folder}")
    return found


def _num_lost(corpus: Path, manifest: Manifest) -> int:
    """Counts samples files that are missing or cut off, by the listings of their folders."""
    sizes: dict[Path, dict[str, int]] = {}
    lost = 0
    for name, size in manifest.files.items():
        path = corpus / name
        if path.parent not in sizes:
            sizes[path.parent] = storage.file_sizes(path.parent)
        lost += sizes[path.parent].get(path.name) != size
    return lost


def _stored(store: Path) -> frozenset[str]:
    """Returns the images of a store, without those whose shard is missing."""
    return commit_store(store) if (store / "manifest.json").exists() else frozenset()


def make_room(config: CorpusConfig, spec: StoreSpec, settings: Mapping[str, Any]) -> None:
    """Prepares a corpus folder for a build: the corpus is no longer a finished one.

    Outputs of earlier builds stay until this build has found which of them it reuses.

    Args:
        config: The build's configuration.
        spec: What the image store holds.
        settings: Settings of the build, from `settings_of`.

    Raises:
        StorageError: If the folder holds something that is no corpus, or can't be written.
    """
    folder = config.output
    storage.ensure_folder(folder)
    names = {path.name for path in folder.iterdir()} - {LOCK}
    foreign = sorted(names.difference(_PARTS))
    has_marker = any((folder / name).is_dir() for name in ("done", "records"))
    if foreign or (names and not has_marker):
        raise StorageError(
            f"{folder} holds something that is no corpus",
            seen=", ".join(foreign[:3]) or "no folder of what is done",
            fix="Choose an empty folder for the corpus.",
        )
    storage.remove(folder / "manifest.json")
    storage.remove(folder / "report")
    storage.write_json(_begun(folder), settings)
    images = folder / "images"
    own = config.image_store is None and (images / "manifest.json").exists()
    if own and read_spec(images) != spec:
        storage.remove(images)
