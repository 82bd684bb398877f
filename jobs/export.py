"""Exports a finished model: `python jobs/export.py [MODEL] --to llava --output FOLDER`.

MODEL is the folder of a run or of a finished stage, by default the newest run. The folder appears
only when it is whole and its answers were compared with the model's.

    --to llava     for transformers, vLLM and what else reads Hugging Face's Llava
    --to palo      our own format: merged, all parts inside, for this platform
    --to adapter   a PEFT adapter for the plain base language model, and the projector
    --to gguf      the language model, and tower and projector as its mmproj, for llama.cpp
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from palo import command, config
from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import DtypeName, ExportSettings, FormatName
from palo.checkpoint.finished import describe_stage, newest_run
from palo.checkpoint.importing import open_model
from palo.checkpoint.lineage import lineage_of
from palo.corpus.report.lineage import corpus_node
from palo.store import RUNS, found_path, lasting_path


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportJob:
    """Exports a finished model.

    Attributes:
        model: Folder of a run, of a finished stage, or of a checkpoint that can be imported; the
            newest run by default.
        to: Format: llava, palo, adapter or gguf.
        output: Folder to write.
        dtype: Type of the weights.
        verify: Loads the export and compares it with the model before it appears.
        force: Replaces a folder that holds something else.
    """

    model: Positional[Path | None] = None
    to: FormatName = "llava"
    output: Path | None = None
    dtype: DtypeName = "bfloat16"
    verify: bool = True
    force: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is missing."""
        if self.output is None:
            yield "the folder to write is missing: give --output FOLDER"


def main(arguments: list[str]) -> None:
    """Exports the model, and prints where it is and how it compares.

    Args:
        arguments: The command line.
    """
    job = command.override(ExportJob(), arguments, "jobs/export.py")
    config.check(job)
    assert job.output is not None
    stage = open_model(found_path(job.model) if job.model else newest_run(lasting_path(RUNS)))
    settings = ExportSettings(
        model=stage,
        to=job.to,
        output=job.output,
        dtype=job.dtype,
        verify=job.verify,
        force=job.force,
    )
    config.check(settings)
    describe_stage(stage)  # says what is missing where it is no model
    lineage = lineage_of(stage, corpus_of=corpus_node).export_record()
    exported = export(settings, lineage=lineage, say=lambda line: print(line, flush=True))
    if exported.was_there:
        print(f"{exported.folder} holds this export already")
        return
    print(f"exported: {exported.folder}")
    if exported.verification is None:
        print("It was not compared with the model.")
        return
    for name, value in exported.verification.figures().items():
        print(f"  {name}: {value:.3g}" if isinstance(value, float) else f"  {name}: {value}")


if __name__ == "__main__":
    command.run_job(main)
