"""What changed since a corpus was built, and making room for a new one."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from palo import storage
from palo.config import to_dict
from palo.data.corpus import open_samples
from palo.data.corpus_config import CorpusConfig
from palo.data.image_store import commit_store
from palo.data.manifest import Manifest, read_manifest
from palo.data.picture_files import stamp_of
from palo.data.store_spec import StoreSpec, read_spec
from palo.errors import StorageError

CORPUS_VERSION = 2
"""Goes up whenever the same sources and settings give other samples."""

_KEPT = ("images", "archives")  # content and archives name them: they outlive a build
_PARTS = ("manifest.json", "pictures.parquet", "records", "samples", "quarantine")


def settings_of(config: CorpusConfig, tokenizer: str, spec: StoreSpec) -> dict[str, Any]:
    """Returns all that decides what is in a corpus; paths count by what lies there.

    Args:
        config: The build's configuration.
        tokenizer: Fingerprint of the tokenizer.
        spec: What the image store holds.
    """
    sources = {
        source.name: {
            "number": number,
            "sha256": storage.file_hash(source.path),
            "images": None if source.images is None else str(source.images.resolve()),
            "language": source.language,
            "licence": source.licence,
            "format": source.format,
        }
        for number, source in enumerate(config.sources)
    }
    settings: dict[str, Any] = to_dict(
        {
            "version": CORPUS_VERSION,
            "sources": sources,
            "template": config.template,
            "limits": config.limits,
            "tokenizer": tokenizer,
            "image_store": spec,
            "image_limits": config.image_limits,
            "cleaning": config.cleaning,
        }
    )
    return settings


def changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Returns the dotted names of the settings in which two builds differ."""
    found: list[str] = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += changes(before, after, f"{path}{key}.")
        elif before != after:
            found.append(f"{path}{key}")
    return found


def read_finished(corpus: Path) -> Manifest | None:
    """Returns the manifest of a finished corpus, or None if there is none in the folder."""
    path = corpus / "manifest.json"
    return read_manifest(path) if path.exists() else None


def what_changed(
    config: CorpusConfig, manifest: Manifest, settings: Mapping[str, Any]
) -> list[str]:
    """Returns what keeps a finished corpus from being up to date, in words; empty if nothing."""
    found = changes(manifest.settings, settings)
    if found:
        return found
    num_samples = sum(file.metadata.num_rows for file in open_samples(config.output))
    if num_samples != manifest.num_samples:
        found.append("samples files")
    path = config.output / "pictures.parquet"
    with storage.explained("read", path):
        pictures = pq.read_table(path).to_pylist()
    count = sum((p["num_bytes"], p["modified_ns"]) != stamp_of(p["path"]) for p in pictures)
    if count:
        found.append(f"{count} image files")
    wanted = {picture["image_id"] for picture in pictures if picture["reason"] is None}
    if wanted and (count := len(wanted - _stored(config.store_folder))):
        found.append(f"{count} images of the store {config.store_folder}")
    return found


def _stored(store: Path) -> frozenset[str]:
    """Returns the images of a store, without those whose shard is gone."""
    return commit_store(store) if (store / "manifest.json").exists() else frozenset()


def make_room(config: CorpusConfig, spec: StoreSpec) -> None:
    """Empties a corpus folder for a new build; images that fit stay.

    Raises:
        StorageError: If the folder holds something that is no corpus, or can't be written.
    """
    folder = config.output
    storage.ensure_folder(folder)
    foreign = sorted(p.name for p in folder.iterdir() if p.name not in {*_PARTS, *_KEPT})
    marker = folder / "records"
    if foreign or (any(folder.iterdir()) and not marker.is_dir()):
        raise StorageError(
            f"{folder} holds something that is no corpus",
            seen=", ".join(foreign[:3]) or "no records folder",
            fix="Choose an empty folder for the corpus.",
        )
    with storage.explained("empty", folder):
        # The marker goes last and comes first, so that a build that died can always be repeated.
        for name in _PARTS:
            path = folder / name
            if path == marker:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if marker.is_dir():
            for path in marker.iterdir():
                path.unlink()
        marker.mkdir(exist_ok=True)
        images = folder / "images"
        own = config.image_store is None and (images / "manifest.json").exists()
        if own and read_spec(images) != spec:
            shutil.rmtree(images)
