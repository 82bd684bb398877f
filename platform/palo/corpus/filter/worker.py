"""A step of a build that is to leave out near duplicates: what the texts of records are like."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from palo import storage
from palo.corpus.filter.near_duplicates import SIGNATURE_BYTES, signatures
from palo.corpus.ray_tasks import Work


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureTask:
    """One file of records.

    Attributes:
        corpus: Folder of the corpus.
        name: The file, as a path in the corpus.
    """

    corpus: Path
    name: str


def sign_records(task: SignatureTask) -> Work:
    """Writes the signatures of a file's records, end to end in their order.

    Returns:
        records: how many they are.
    """
    table = storage.read_table(task.corpus / task.name, columns=["turns"])
    texts = ["\n".join(turn["text"] for turn in turns) for turns in table["turns"].to_pylist()]
    name = signatures_name(task.name)
    storage.write_bytes(task.corpus / name, signatures(texts).tobytes())
    return Work({"records": len(texts)}, [name])


def read_signatures(corpus: Path, records: str) -> npt.NDArray[np.uint8]:
    """Returns (records, SIGNATURE_BYTES) of a file of records."""
    data = storage.read_bytes(corpus / signatures_name(records))
    return np.frombuffer(data, np.uint8).reshape(-1, SIGNATURE_BYTES)


def signatures_name(records: str) -> str:
    """Returns the file of signatures that belongs to a file of records, as paths in the corpus."""
    return records.replace("records/", "signatures/", 1).removesuffix(".parquet") + ".bin"
