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

from palo import storage
from palo.checkpoint.finished import describe_stage, is_finished, stage_folder
from palo.checkpoint.lineage_id import id_of, read_record, recorded_id, weight_hashes
from palo.checkpoint.lineage_node import LineageNode, flat_facts, named_missing, short_hash
from palo.checkpoint.parts import ModelParts, weights_fingerprint
from palo.config import fingerprint, from_dict, to_dict
from palo.errors import ConfigError, DataError, PaloError
from palo.text.tokenizer import load_tokenizer

CorpusReader = Callable[[Path, Mapping[str, Any], bool], LineageNode]
"""Makes the node of a corpus of a model's folder, its record, and whether hashes are checked."""

_MOST_ANCESTORS = 16
_PARTS = ("tower", "language_model", "tokenizer")
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
        """Returns what an exported folder keeps as its `lineage.json`: the tree without places."""
        return {
            "id": self.id,
            "exported_from": {"id": self.id, "tree": to_dict(_placeless(self.root))},
        }


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


def recorded_corpus(folder: Path, record: Mapping[str, Any], check: bool) -> LineageNode:
    """Returns the node of a corpus as a model's folder records it, without a look at the corpus.

    Args:
        folder: The model's folder.
        record: What is recorded of the corpus: `folder`, `fingerprint`, and `records`.
        check: Not used: nothing is looked at.
    """
    named = str(record.get("folder", ""))
    return LineageNode(
        kind="corpus",
        name=Path(named).name or "corpus",
        id=str(record.get("fingerprint", "")),
        facts={"folder": named, **count_facts(record)},
    )


def count_facts(record: Mapping[str, Any]) -> dict[str, str]:
    """Returns the counts of records by language and by licence; one that says so without counts.

    Args:
        record: What is recorded of a corpus.
    """
    rows = [row for row in _list(record.get("records")) if isinstance(row, Mapping)]
    if not rows:
        return {"records by language and licence": "not recorded"}
    facts = {}
    for key, title in (("language", "records by language"), ("licence", "records by licence")):
        counts: dict[str, int] = {}
        for row in rows:
            name = str(row.get(key) or "not said")
            counts[name] = counts.get(name, 0) + _whole(row.get("records"))
        facts[title] = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return facts


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
    exported = known.get("exported_from")
    children = [_weights_node(name, digest, known) for name, digest in hashes.items()]
    if exported is not None:
        children.append(_exported_node(exported))
    else:
        children += [_settings_node(known), *_code_nodes(known)]
    if finished:
        children += _part_nodes(folder, known, reading)
    if (start := _start_node(folder, known, reading)) is not None:
        children.append(start)
    if isinstance(known.get("corpus"), Mapping):
        told = {**known["corpus"], "sources": known.get("sources", {})}
        children.append(reading.corpus_of(folder, told, reading.check))
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


def _name(folder: Path) -> str:
    """Returns the names of run and stage, or of any other folder."""
    resolved = folder.resolve()
    is_stage = resolved.name in ("pretrain", "finetune")
    return f"{resolved.parent.name}/{resolved.name}" if is_stage else resolved.name


def _weights_node(name: str, digest: str, record: Mapping[str, Any]) -> LineageNode:
    told = _mapping(record.get("weights")).get(name)
    if told is None:
        return LineageNode(kind="weights", name=name, id=short_hash(digest))
    if told == digest:
        return LineageNode(kind="weights", name=name, id=short_hash(digest), state="checked")
    facts = {"recorded as": short_hash(str(told))}
    return LineageNode(
        kind="weights", name=name, id=short_hash(digest), state="changed", facts=facts
    )


def _settings_node(record: Mapping[str, Any]) -> LineageNode:
    settings = _mapping(record.get("settings"))
    if not settings:
        return LineageNode(kind="settings", name="settings", facts={"settings": "not recorded"})
    recipe = str(settings.get("recipe") or "not recorded")
    facts = {"recipe": recipe, "stage": str(settings.get("name", "")) or "not recorded"}
    facts |= flat_facts(settings.get("config"))
    own_id = str(_mapping(record.get("identity")).get("settings", ""))
    return LineageNode(kind="settings", name="recipe and settings", id=own_id, facts=facts)


def _code_nodes(record: Mapping[str, Any]) -> Iterator[LineageNode]:
    commit = _mapping(record.get("commit"))
    told = "not recorded"
    if commit.get("commit"):
        state = "with changes that are in no commit" if commit.get("dirty") else "without changes"
        told = f"{commit['commit']}, {state}"
    elif "commit" in record:
        told = "none: it ran outside a git checkout"
    code = str(record.get("code", ""))
    yield LineageNode(
        kind="code",
        name="code",
        id=code.partition("+")[2],
        facts={"version": code or "not recorded", "commit": told},
    )
    machines = [one for one in _list(record.get("machines")) if isinstance(one, Mapping)]
    yield LineageNode(
        kind="machines",
        name="machines",
        facts={f"machine {n}": _machine(one) for n, one in enumerate(machines, 1)}
        or {"machines": "not recorded"},
    )
    versions = _mapping(record.get("versions"))
    yield LineageNode(
        kind="packages",
        name="packages",
        facts={str(name): str(value) for name, value in versions.items()}
        or {"versions": "not recorded"},
    )


def _machine(values: Mapping[str, Any]) -> str:
    gpus = ", ".join(map(str, _list(values.get("gpus")))) or "no GPU"
    return (
        f"{values.get('processor')}, {values.get('num_cpus')} CPUs, "
        f"{values.get('memory_gib')} GiB, {gpus}, {values.get('num_workers')} workers"
    )


def _part_nodes(
    folder: Path, record: Mapping[str, Any], reading: _Reading
) -> Iterator[LineageNode]:
    stage = describe_stage(folder)
    wanted = {**stage.fingerprints, "tokenizer": str(record.get("tokenizer", ""))}
    for name in _PARTS:
        yield _part_node(name, stage.parts, wanted.get(name, ""), check=reading.check)
    facts = {"type": stage.parts.projector_type} | flat_facts(stage.preprocessing)
    yield LineageNode(kind="part", name="projector and preprocessing", facts=facts)


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
    start = _mapping(record.get("started_from"))
    named = start.get("folder") or _mapping(record.get("settings")).get("projector")
    if not named:
        return None
    wanted = str(start.get("id", ""))
    node = LineageNode(kind="start", name="started from", id=wanted, place=Path(str(named)))
    if len(reading.above) >= _MOST_ANCESTORS:
        return replace(node, facts={"more": "stages before it are not shown"})
    followed = storage.follow(folder.resolve(), str(named))
    # A run that was moved as a whole has its stages beside one another.
    beside = folder.resolve().parent / Path(str(named)).name
    for place in (followed, beside):
        if not is_finished(place) or place in (folder.resolve(), *reading.above):
            continue
        found = _model_node(place, reading.below(folder))
        if wanted:
            return replace(
                found, kind="start", state="checked" if found.id == wanted else "changed"
            )
        told = str(_mapping(record.get("identity")).get("projector", ""))
        projector = weight_hashes(place).get("projector.safetensors")
        kind = describe_stage(place).parts.projector_type
        is_same = told == fingerprint([kind, projector])
        return replace(found, kind="start", state="checked" if is_same else "changed")
    return named_missing(node)


def _exported_node(exported: object) -> LineageNode:
    """Returns what an exported folder was made of: a whole tree, or as much as it says."""
    values = _mapping(exported)
    if not isinstance(values.get("tree"), Mapping):
        facts = flat_facts(exported)
        return LineageNode(
            kind="start", name="exported from", id=str(values.get("id", "")), facts=facts
        )
    try:
        tree = from_dict(LineageNode, values["tree"])
    except (ConfigError, RecursionError) as error:
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


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
