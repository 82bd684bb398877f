"""Proof that the job's process and the workers see the same run folder, before anything is loaded.

Without it a run on several machines could train for a week into a folder that ends with its node.
"""

import platform
import secrets
import time

from palo import storage
from palo.errors import StorageError
from palo.storage import S3Path
from palo.train.stages import StageJob

# A network file system may show a file to other machines some seconds late.
_WAIT_S = 20.0
_LOOK_EVERY_S = 0.5


def leave_proof(job: StageJob) -> str:
    """Writes a number into the stage's folder that nobody else knows.

    Args:
        job: The stage.

    Returns:
        The number, as hexadecimal digits.

    Raises:
        StorageError: If it can't be written.
    """
    nonce = secrets.token_hex(16)
    storage.write_text(job.proof, nonce)
    return nonce


def check_proof(job: StageJob, nonce: str, wait_s: float = _WAIT_S) -> None:
    """Checks on a worker that the stage's folder is that of the job's process.

    Args:
        job: The stage.
        nonce: What `leave_proof` returned.
        wait_s: How long the folder may take to show it, in seconds.

    Raises:
        StorageError: If it is another folder, or a store refuses.
    """
    until = time.monotonic() + wait_s
    while (seen := proof_in(job)) != nonce:
        if time.monotonic() >= until:
            raise StorageError(
                "the workers don't see the run folder of this job's process",
                seen=f"{job.output} on {platform.node()} "
                + ("holds nothing of this run" if seen is None else "is another folder"),
                fix="Name a place that all machines share with --output: s3://bucket/folder, or a "
                "folder on a network disk.",
            )
        time.sleep(_LOOK_EVERY_S)


def proof_in(job: StageJob) -> str | None:
    """Returns the number in the stage's folder, which is that of the job that works there.

    Args:
        job: The stage.

    Returns:
        The number; None without one.

    Raises:
        StorageError: If a store refuses.
    """
    try:
        return storage.read_text(job.proof, 1 << 10)
    except StorageError:
        if isinstance(job.output, S3Path) and job.proof.is_file():
            raise  # the store's own words say more
        return None
