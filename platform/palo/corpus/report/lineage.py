"""The node of a corpus in a model's lineage: its counts, its sources, and the way to their rows."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from palo import storage
from palo.checkpoint.lineage_facts import count_facts, recorded_corpus
from palo.checkpoint.lineage_id import places_of
from palo.checkpoint.lineage_node import LineageNode, flat_facts, named_missing, short_hash
from palo.corpus.sources.rows_hash import source_hash
from palo.data.corpus_record import record_counts, source_settings
from palo.data.manifest import Manifest, SourceCount, read_manifest
from palo.errors import PaloError

_MANIFEST = "manifest.json"


def corpus_node(folder: Path, record: Mapping[str, Any], check: bool) -> LineageNode:
    """Returns the node of a corpus, as far as the corpus is found.

    Args:
        folder: The model's folder.
        record: What is recorded of the corpus: `folder`, `fingerprint`, `records` and `sources`.
        check: Whether files of samples and rows of sources are read and hashed again.

    Raises:
        DataError: If counts in its manifest don't add up.
        StorageError: If its manifest can't be read.
    """
    recorded = recorded_corpus(folder, record, check)
    found = _found(folder, record)
    if found is None:
        missing = named_missing(replace(recorded, place=Path(str(record.get("folder", "")))))
        hashes = record.get("sources")
        told = hashes.items() if isinstance(hashes, Mapping) else ()
        sources = tuple(
            LineageNode(kind="source", name=str(name), id=short_hash(str(digest)))
            for name, digest in told
        )
        return replace(missing, children=sources)
    place, manifest = found
    is_same = manifest.fingerprint == recorded.id
    node = replace(
        recorded,
        place=place,
        state=("checked" if check else "named") if is_same else "changed",
        facts=dict(_facts(place, manifest)),
        children=tuple(_sources(place, manifest, check=check)),
    )
    if not is_same:
        return replace(node, facts={"fingerprint now": manifest.fingerprint, **node.facts})
    wrong = _other_sizes(place, manifest) if check else []
    if wrong:
        return replace(node, state="changed", facts={"other sizes": ", ".join(wrong), **node.facts})
    return node


def _found(folder: Path, record: Mapping[str, Any]) -> tuple[Path, Manifest] | None:
    """Returns a model's corpus: the one of the right fingerprint, else any where it should be."""
    named = (record.get("relative"), record.get("folder"))
    # A run that was moved as a whole keeps its corpora in `corpus`.
    inside = [one.parent / "corpus" / one.name for one in places_of(folder, *named)]
    places = [one for one in (*places_of(folder, *named), *inside) if (one / _MANIFEST).is_file()]
    found = [(one, read_manifest(one / _MANIFEST)) for one in places]
    right = (one for one in found if one[1].fingerprint == record.get("fingerprint"))
    return next(right, found[0] if found else None)


def _facts(place: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "samples", f"{manifest.num_samples:,}"
    yield "images", f"{manifest.num_images:,}"
    yield from count_facts({"records": record_counts(manifest)}).items()
    yield "template", manifest.template
    yield "tokenizer", manifest.tokenizer_fingerprint
    yield "built by", manifest.code_version
    chosen = {name: manifest.settings.get(name) for name in ("limits", "cleaning", "mixture")}
    yield from flat_facts(chosen).items()
    for stage in manifest.stages:
        yield (
            f"rows, {stage.name.replace('_', ' ')}",
            f"{stage.rows_in:,} in, {stage.rows_out:,} out",
        )
    yield "its rows", f"python jobs/inspect_corpus.py {shlex.quote(str(place))}"


def _sources(place: Path, manifest: Manifest, *, check: bool) -> Iterator[LineageNode]:
    settings = source_settings(manifest)
    counts = {source.name: source for source in manifest.sources}
    for name, digest in manifest.inputs.items():
        own = settings.get(name, {})
        files = tuple(_files(own))
        node = LineageNode(
            kind="source",
            name=name,
            id=short_hash(digest),
            facts=dict(_source_facts(place, own, counts.get(name))),
            children=files,
        )
        are_there = files and all(file.state != "missing" for file in files)
        yield _checked(node, own, digest) if check and are_there else node


def _source_facts(
    place: Path, settings: Mapping[str, Any], counts: SourceCount | None
) -> Iterator[tuple[str, str]]:
    yield "licence", str(settings.get("licence") or "not said")
    for name in ("images", "format"):
        if settings.get(name):
            yield name, str(settings[name])
    if counts is not None:
        told = ", ".join(f"{code} {count:,}" for code, count in counts.num_records.items())
        yield "records by language", told
        yield "rows", f"{counts.stages[0].rows_in:,}" if counts.stages else "not counted"
        corpus = shlex.quote(str(place))
        row = f"{counts.name}@OFFSET"
        yield "a row of it", f"python jobs/inspect_corpus.py {corpus} --record {row}"


def _files(settings: Mapping[str, Any]) -> Iterator[LineageNode]:
    """Yields the files of a source; one of another size is not the one that was read."""
    files = settings.get("files")
    for name, told in files.items() if isinstance(files, Mapping) else ():
        place = storage.path_of(str(name))
        size_bytes = told[0] if isinstance(told, list) and told else None
        node = LineageNode(
            kind="file", name=place.name, place=place, facts={"bytes": f"{size_bytes}"}
        )
        if not place.is_file():
            yield named_missing(node)
        elif (found := place.stat().st_size) != size_bytes:
            yield replace(node, state="changed", facts={**node.facts, "bytes now": f"{found}"})
        else:
            yield node


def _checked(node: LineageNode, settings: Mapping[str, Any], digest: str) -> LineageNode:
    files = [file.place for file in node.children if file.place is not None]
    try:
        found = source_hash(files, settings.get("format", "auto"))
    except PaloError as error:  # the rest of the tree is worth as much as before
        return replace(node, state="changed", facts={"can't be read": str(error), **node.facts})
    if found == digest:
        return replace(node, state="checked")
    return replace(node, state="changed", facts={"hash now": short_hash(found), **node.facts})


def _other_sizes(place: Path, manifest: Manifest) -> list[str]:
    """Lists the files of samples that are missing, or have another size than the manifest says."""
    return [
        name
        for name, size_bytes in manifest.files.items()
        if not (place / name).is_file() or (place / name).stat().st_size != size_bytes
    ]
