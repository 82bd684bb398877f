"""What a worker reads again and again, copied to its machine's own disk before training."""

from dataclasses import dataclass, replace
from pathlib import Path

from palo import storage
from palo.checkpoint.parts import ModelParts
from palo.data.manifest import read_manifest
from palo.model.assemble import PART_SUFFIXES
from palo.train.stages import StageJob


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalCopies:
    """Where a worker reads a stage's inputs.

    Attributes:
        parts: The pretrained parts.
        samples: Folder of the corpus' samples files; None for the corpus itself.
    """

    parts: ModelParts
    samples: Path | None


def local_copies(job: StageJob) -> LocalCopies:
    """Copies weights and samples to the scratch disk, once for all workers of a machine.

    Without a scratch disk they are read where they lie, but for weights on S3, which libraries only
    read from a disk.

    Args:
        job: The stage.

    Raises:
        ResourceError: If the scratch disk has no room for them.
        StorageError: If they can't be read or written.
    """
    scratch = job.config.workers.scratch

    def here(folder: Path) -> Path:
        if scratch is None:
            return storage.near_copy(folder, PART_SUFFIXES)
        return storage.stage_folder(folder, scratch, _say)

    parts = replace(
        job.parts,
        tower=here(job.parts.tower),
        language_model=here(job.parts.language_model),
        tokenizer=here(job.parts.tokenizer),
    )
    if scratch is None:
        return LocalCopies(parts=parts, samples=None)
    files = list(read_manifest(job.corpus / "manifest.json").files)
    return LocalCopies(parts=parts, samples=storage.stage_folder(job.corpus, scratch, _say, files))


def _say(line: str) -> None:
    print(line, flush=True)
