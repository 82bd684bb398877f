"""What a finished stage records of how it was made: its `lineage.json`."""

import platform
from collections import Counter
from pathlib import Path
from typing import Any

import palo
from palo import config
from palo.checkpoint.finished import projector_hash
from palo.checkpoint.lineage_id import lineage_id
from palo.data.corpus_record import corpus_record
from palo.data.manifest import Manifest, code_version
from palo.machine import checkout_state, hardware
from palo.storage import relative_text
from palo.text.tokenizer import load_tokenizer
from palo.train.stages import StageJob

Machine = dict[str, Any]

_CHECKOUT = Path(palo.__file__).resolve().parents[2]


def this_machine() -> Machine:
    """Describes the machine of this worker; its name is not told, but tells machines apart."""
    facts = hardware()
    kept = ("processor", "num_cpus", "memory_gib", "gpus")
    return {"name": platform.node(), **{name: facts[name] for name in kept}}


def stage_record(
    job: StageJob, manifest: Manifest, known: dict[str, str], machines: list[Machine]
) -> dict[str, Any]:
    """Returns the record of a stage, as JSON values.

    Args:
        job: The stage.
        manifest: Manifest of its corpus.
        known: Fingerprints of what decides what it learns.
        machines: The machine of each worker.
    """
    record = {
        "identity": known,
        "settings": config.to_dict(job),
        "corpus": corpus_record(job.corpus, manifest, job.output),
        "sources": dict(manifest.inputs),
        "tokenizer": load_tokenizer(job.parts.tokenizer).fingerprint,
        "code": code_version(),
        "commit": checkout_state(_CHECKOUT),
        "machines": _distinct(machines),
    }
    if job.projector is not None:
        record["started_from"] = {
            "folder": relative_text(job.projector.resolve(), job.output.resolve()),
            "id": lineage_id(job.projector),
            "projector": projector_hash(job.projector),
        }
    return record


def _distinct(machines: list[Machine]) -> list[Machine]:
    """Returns each machine once, with the number of its workers in place of its name."""
    num_workers = Counter(machine["name"] for machine in machines)
    first = {machine["name"]: machine for machine in reversed(machines)}
    return [
        {key: value for key, value in first[name].items() if key != "name"} | {"num_workers": count}
        for name, count in num_workers.items()
    ]
