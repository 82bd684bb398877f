"""Worker of the filter stage: signatures of records' texts, by which near duplicates are found."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from palo import storage
from palo.corpus.filter.near_duplicates import SIGNATURE_BYTES, signatures
from palo.corpus.ray_tasks import Work


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureTask:
    """One file of records to sign.

    Attributes:
        corpus: Folder of the corpus.
        name: The file, as a path in the corpus.
    """

    corpus: Path
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureResult:
    """What a signature task counted.

    Attributes:
        num_records: Records of the file.
    """

    num_records: int


def sign_records(task: SignatureTask) -> Work[SignatureResult]:
    """Writes the signatures of a file's records, end to end in their order.

    Args:
        task: The file.

    Returns:
        The number of records, and the file of signatures.
    """
    table = storage.read_table(task.corpus / task.name, columns=["turns"])
    texts = ["\n".join(turn["text"] for turn in turns) for turns in table["turns"].to_pylist()]
    name = signatures_name(task.name)
    storage.write_bytes(task.corpus / name, signatures(texts).tobytes())
    return Work(SignatureResult(num_records=len(texts)), [name])


def read_signatures(corpus: Path, records: str) -> npt.NDArray[np.uint8]:
    """Reads the signatures of a file of records.

    Args:
        corpus: Folder of the corpus.
        records: The file of records, as a path in the corpus.

    Returns:
        (records, SIGNATURE_BYTES) uint8.
    """
    data = storage.read_bytes(corpus / signatures_name(records))
    return np.frombuffer(data, np.uint8).reshape(-1, SIGNATURE_BYTES)


def signatures_name(records: str) -> str:
    """Returns the file of signatures of a file of records.

    Args:
        records: The file of records, as a path in the corpus.
    """
    return records.replace("records/", "signatures/", 1).removesuffix(".parquet") + ".bin"
