"""From a model back to what it was made of: a tree of settings, code, machines, parts and corpus.

A finished stage, a folder that was exported from one and a folder that was imported all hold
`lineage.json`, and have an id: a short hash of the weights and of what is recorded about them. It
stays when the folder is moved, and changes with every weight.

    lineage = lineage_of(Path("runs/quickstart"))
    print(lineage.id, len(lineage.root.children))
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from palo.checkpoint.aligned_from import MERGED_FROM, stage_of
from palo.checkpoint.finished import describe_stage, is_finished, stage_folder
from palo.checkpoint.lineage_facts import (
    code_nodes,
    mapping_of,
    recorded_corpus,
    settings_node,
    weights_node,
)
from palo.checkpoint.lineage_id import (
    PLACES,
    id_of,
    places_of,
    read_record,
    recorded_id,
    weight_hashes,
)
from palo.checkpoint.lineage_node import LineageNode, flat_facts, named_missing
from palo.checkpoint.parts import ModelParts, weights_fingerprint
from palo.config import fingerprint, from_dict, to_dict
from palo.errors import ConfigError, DataError, PaloError
from palo.text.tokenizer import load_tokenizer

CorpusReader = Callable[[Path, Mapping[str, Any], bool], LineageNode]
"""Makes the node of a corpus of a model's folder, its record, and whether hashes are checked."""

_MOST_ANCESTORS = 16
_PARTS = ("tower", "language_model", "tokenizer")
_KEPT = ("code", "commit", "identity", "machines", "sources", "tokenizer", "versions")
_KNOWN = {
    "code", "commit", "corpus", "exported_from", "id", "identity", "machines", "settings",
    "sources", "started_from", "tokenizer", "versions", "weights",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """The lineage of a model.

    Attributes:
        id: Names the weights and what they were made of: `palo-` and 12 hexadecimal digits.
        folder: The model's folder.
        root: The tree; its first node is the model.
    """

    id: str
    folder: Path
    root: LineageNode

    def nodes(self) -> Iterator[LineageNode]:
        """Yields every node, each before its children."""
        yield from self.root.nodes()

    def export_record(self) -> dict[str, Any]:
        """Returns what an exported folder keeps as its `lineage.json`.

        Returns:
            The id, the whole tree below `exported_from`, and what the model's own folder records
            in the form of a finished stage, for readers of those; all without absolute paths.
        """
        record = read_record(self.folder) or {}
        kept = {name: record[name] for name in _KEPT if name in record}
        if settings := mapping_of(record.get("settings")):
            kept["settings"] = {name: settings.get(name) for name in ("name", "recipe", "config")}
        if corpus := mapping_of(record.get("corpus")):
            kept["corpus"] = {k: v for k, v in corpus.items() if k not in PLACES}
        tree = to_dict(_placeless(self.root))
        return {"id": self.id, "exported_from": {"id": self.id, "tree": tree}, **kept}


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a tree is read: its corpora, whether hashes are computed again, the stages above."""

    corpus_of: CorpusReader
    check: bool
    above: tuple[Path, ...] = field(default=())

    def below(self, folder: Path) -> "_Reading":
        return replace(self, above=(*self.above, folder.resolve()))


def lineage_of(
    folder: Path, *, check: bool = False, corpus_of: CorpusReader | None = None
) -> Lineage:
    """Reads the lineage of a model. Its own weights are read, parts and corpora only to check them.

    Args:
        folder: Folder of a run, a finished stage, or of anything with a `lineage.json`.
        check: Computes the hashes of parts again, and whatever `corpus_of` checks.
        corpus_of: Makes the nodes of corpora; by default of what the model's folder records.

    Raises:
        DataError: If the folder holds neither a finished stage nor a lineage.
        StorageError: If a file can't be read.
    """
    found = stage_folder(folder)
    reading = _Reading(corpus_of or recorded_corpus, check)
    root = _model_node(found, reading)
    return Lineage(id=root.id, folder=found, root=root)


def _model_node(folder: Path, reading: _Reading) -> LineageNode:
    record = read_record(folder)
    finished = is_finished(folder)
    if record is None and not finished:
        raise DataError(
            "this folder has no lineage",
            seen=folder,
            fix="Name the folder of a run, of a finished stage, or one with lineage.json.",
        )
    known = record or {}
    hashes = weight_hashes(folder)
    children = [weights_node(name, digest, known) for name, digest in hashes.items()]
    exported = known.get("exported_from")
    if exported is not None:
        children.append(_exported_node(exported))
    # The tree of an exported folder holds them already.
    if not mapping_of(exported).get("tree"):
        children += _own_nodes(folder, known, reading, is_export=exported is not None)
    if finished:
        children += _part_nodes(folder, known, reading)
    children += [
        LineageNode(kind="record", name=name.replace("_", " "), facts=flat_facts(value))
        for name, value in known.items()
        if name not in _KNOWN
    ]
    facts = {"lineage": "not recorded"} if record is None else {}
    if finished:
        facts |= {"template": describe_stage(folder).template}
    own_id = recorded_id(known) or id_of(folder, known, hashes)
    name = _name(folder)
    return LineageNode(
        kind="model", name=name, id=own_id, facts=facts, place=folder, children=tuple(children)
    )


def _own_nodes(
    folder: Path, record: Mapping[str, Any], reading: _Reading, *, is_export: bool
) -> Iterator[LineageNode]:
    """Yields what a folder records in the form of a finished stage."""
    if not is_export or record.get("settings"):
        yield settings_node(record)
    if not is_export or record.get("code"):
        yield from code_nodes(record)
    if (start := _start_node(folder, record, reading)) is not None:
        yield start
    if isinstance(record.get("corpus"), Mapping):
        told = {**record["corpus"], "sources": record.get("sources", {})}
        yield reading.corpus_of(folder, told, reading.check)


def _name(folder: Path) -> str:
    """Returns the names of run and stage, or of any other folder."""
    resolved = folder.resolve()
    is_stage = resolved.name in ("align", "pretrain", "finetune")
    return f"{resolved.parent.name}/{resolved.name}" if is_stage else resolved.name


def _part_nodes(
    folder: Path, record: Mapping[str, Any], reading: _Reading
) -> Iterator[LineageNode]:
    stage = describe_stage(folder)
    wanted = {**stage.fingerprints, "tokenizer": str(record.get("tokenizer", ""))}
    for name in _PARTS:
        node = _part_node(name, stage.parts, wanted.get(name, ""), check=reading.check)
        aligned = _aligned_node(node, folder, reading)
        yield node if aligned is None else replace(node, children=(aligned,))
    facts = {"type": stage.parts.projector_type} | flat_facts(stage.preprocessing)
    yield LineageNode(kind="part", name="projector and preprocessing", facts=facts)


def _aligned_node(part: LineageNode, folder: Path, reading: _Reading) -> LineageNode | None:
    """Returns the stage that a stage's language model was trained in; None for any other part."""
    stage = stage_of(part.place) if part.place is not None else None
    if stage is None or part.state == "missing" or len(reading.above) >= _MOST_ANCESTORS:
        return None
    above = (folder.resolve(), *reading.above)
    if stage.resolve() in above:
        return None
    node = _model_node(stage, reading.below(folder))
    merged = mapping_of((read_record(part.place) or {}).get(MERGED_FROM)) if part.place else {}
    is_same = merged.get("id", node.id) == node.id
    return replace(node, kind="start", state="checked" if is_same else "changed")


def _part_node(name: str, parts: ModelParts, wanted: str, *, check: bool) -> LineageNode:
    place: Path = getattr(parts, name)
    node = LineageNode(kind="part", name=name.replace("_", " "), id=wanted, place=place)
    if not place.is_dir():
        return named_missing(node)
    if not check:
        return node
    try:
        is_tokenizer = name == "tokenizer"
        found = load_tokenizer(place).fingerprint if is_tokenizer else weights_fingerprint(place)
    except PaloError as error:  # the rest of the tree is worth as much as before
        return replace(node, state="changed", facts={"can't be read": str(error)})
    if not wanted:
        return replace(node, facts={"fingerprint": "not recorded", "fingerprint now": found})
    if found == wanted:
        return replace(node, state="checked")
    return replace(node, state="changed", facts={"fingerprint now": found})


def _start_node(folder: Path, record: Mapping[str, Any], reading: _Reading) -> LineageNode | None:
    """Returns the stage that a stage started from; older records name its folder alone."""
    start = mapping_of(record.get("started_from"))
    absolute = mapping_of(record.get("settings")).get("projector")
    named = start.get("folder") or absolute
    if not named:
        return None
    wanted = str(start.get("id", ""))
    node = LineageNode(kind="start", name="started from", id=wanted, place=Path(str(named)))
    if len(reading.above) >= _MOST_ANCESTORS:
        return replace(node, facts={"more": "stages before it are not shown"})
    above = (folder.resolve(), *reading.above)
    places = [one for one in places_of(folder, named, absolute) if is_finished(one)]
    below = reading.below(folder)
    found = [_model_node(one, below) for one in places if one.resolve() not in above]
    for one in found:
        if _is_start(one, record, wanted):
            return replace(one, kind="start", state="checked")
    return replace(found[0], kind="start", state="changed") if found else named_missing(node)


def _is_start(found: LineageNode, record: Mapping[str, Any], wanted: str) -> bool:
    """Returns whether a stage is the one that another started from."""
    if wanted or found.place is None:
        return found.id == wanted
    told = str(mapping_of(record.get("identity")).get("projector", ""))
    projector = weight_hashes(found.place).get("projector.safetensors")
    kind = describe_stage(found.place).parts.projector_type
    return told == fingerprint([kind, projector])


def _exported_node(exported: object) -> LineageNode:
    """Returns what an exported folder was made of: a whole tree, or as much as it says."""
    values = mapping_of(exported)
    if not isinstance(values.get("tree"), Mapping):
        facts = flat_facts(exported)
        return LineageNode(
            kind="start", name="exported from", id=str(values.get("id", "")), facts=facts
        )
    try:
        tree = from_dict(LineageNode, values["tree"])
    except ConfigError as error:
        return LineageNode(
            kind="start",
            name="exported from",
            id=str(values.get("id", "")),
            state="changed",
            facts={"tree": f"can't be read: {error}"},
        )
    return replace(tree, kind="start", facts={"exported from": tree.name, **tree.facts})


def _placeless(node: LineageNode) -> LineageNode:
    """Returns a node without paths, which say nothing elsewhere; nor is it checked there."""
    facts = {
        name: value
        for name, value in node.facts.items()
        if not any(word.startswith(("/", "'/")) for word in value.split())
    }
    children = tuple(map(_placeless, node.children))
    return replace(node, place=None, state="named", facts=facts, children=children)
