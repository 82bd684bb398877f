"""Imports a checkpoint of another project: `python jobs/import_checkpoint.py SOURCE`.

    python jobs/import_checkpoint.py PALO-7B                                 into the cache
    python jobs/import_checkpoint.py PALO-7B --output models/palo-7b         into a folder
    python jobs/import_checkpoint.py llava-v1.5-7b --tower clip-vit-large-patch14-336
    python jobs/import_checkpoint.py llava-v1.5-7b-lora --base vicuna-7b-v1.5

What is taken: models in the layouts of LLaVA-1.5, PALO, MobileVLM and Hugging Face's Llava, and
LLaVA's LoRA adapters; from a disk or from s3://, pickled or in safetensors. Every command that
takes a model imports it by itself: this one says what it finds, and can put it elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from palo import command, config

_NONE = Path()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportJob:
    """Imports a checkpoint of another project.

    Attributes:
        source: Its folder, on a disk or on S3.
        base: Folder of an adapter's language model; by default looked for by the name that the
            adapter has for it.
        tower: Folder of the vision tower, where the checkpoint has none; by default looked for by
            the name that the checkpoint has for it.
        output: New folder to write; the cache by default, where every command finds it again.
    """

    source: Positional[Path] = _NONE
    base: Path | None = None
    tower: Path | None = None
    output: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is missing."""
        if self.source == _NONE:
            yield "the folder of the checkpoint is missing"


def main(arguments: list[str]) -> None:
    """Imports the checkpoint, and prints what it is and what to do next.

    Args:
        arguments: The command line.
    """
    job = command.override(ImportJob(), arguments, "jobs/import_checkpoint.py")
    config.check(job)
    from palo.checkpoint.finished import describe_stage
    from palo.checkpoint.importing import ImportOptions, open_model

    options = ImportOptions(
        base=job.base,
        tower=job.tower,
        output=job.output,
        say=lambda line: print(line, flush=True),
    )
    stage = describe_stage(open_model(job.source, options))
    for path in sorted(stage.folder.rglob("*.safetensors")):
        size = path.stat().st_size / 2**20
        print(f"{size:10,.1f} MiB  {path.relative_to(stage.folder)}")
    adapter = ", with a LoRA adapter" if stage.has_adapter else ""
    print(f"model      {stage.folder}\nprojector  {stage.parts.projector_type}{adapter}")
    named = stage.folder if job.output or job.base or job.tower else job.source
    print(f"next       python jobs/chat.py {named} --image PATH")
    print(f"           python jobs/serve.py {named}", flush=True)


if __name__ == "__main__":
    command.run_job(main)
