"""Nodes of what a model's folder records by itself: weights, settings, code, machines, corpus."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from palo.checkpoint.lineage_node import LineageNode, flat_facts, short_hash


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


def weights_node(name: str, digest: str, record: Mapping[str, Any]) -> LineageNode:
    """Returns the node of a file of weights, compared with its recorded hash.

    Args:
        name: Its name in the model's folder.
        digest: Its SHA-256.
        record: What the folder records.
    """
    told = mapping_of(record.get("weights")).get(name)
    if told is None:
        return LineageNode(kind="weights", name=name, id=short_hash(digest))
    if told == digest:
        return LineageNode(kind="weights", name=name, id=short_hash(digest), state="checked")
    facts = {"recorded as": short_hash(str(told))}
    return LineageNode(
        kind="weights", name=name, id=short_hash(digest), state="changed", facts=facts
    )


def settings_node(record: Mapping[str, Any]) -> LineageNode:
    """Returns the node of recipe and settings.

    Args:
        record: What the model's folder records.
    """
    settings = mapping_of(record.get("settings"))
    if not settings:
        return LineageNode(kind="settings", name="settings", facts={"settings": "not recorded"})
    recipe = str(settings.get("recipe") or "not recorded")
    facts = {"recipe": recipe, "stage": str(settings.get("name", "")) or "not recorded"}
    facts |= flat_facts(settings.get("config"))
    own_id = str(mapping_of(record.get("identity")).get("settings", ""))
    return LineageNode(kind="settings", name="recipe and settings", id=own_id, facts=facts)


def code_nodes(record: Mapping[str, Any]) -> Iterator[LineageNode]:
    """Yields the nodes of code, machines and packages.

    Args:
        record: What the model's folder records.
    """
    commit = mapping_of(record.get("commit"))
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
    versions = mapping_of(record.get("versions"))
    yield LineageNode(
        kind="packages",
        name="packages",
        facts={str(name): str(value) for name, value in versions.items()}
        or {"versions": "not recorded"},
    )


def _machine(values: Mapping[str, Any]) -> str:
    count = values.get("num_workers")
    workers = "1 worker" if count == 1 else f"{count} workers"
    gpus = ", ".join(map(str, _list(values.get("gpus")))) or "no GPU"
    return (
        f"{values.get('processor')}, {values.get('num_cpus')} CPUs, "
        f"{values.get('memory_gib')} GiB, {gpus}, {workers}"
    )


def mapping_of(value: object) -> Mapping[str, Any]:
    """Returns a JSON object; an empty one in place of anything else.

    Args:
        value: A JSON value.
    """
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
