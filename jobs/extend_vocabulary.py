"""Adds tokens for chosen languages: `python jobs/extend_vocabulary.py MODEL --parallel FILE`.

MODEL is the folder of a language model. Pieces of the languages' scripts are learned from parallel
text or conversations and added to its tokenizer and its embeddings; no old id changes. The new
folder holds language model and tokenizer, and stands for both in every recipe:

    python jobs/finetune.py 7b --parts.language-model FOLDER --parts.tokenizer FOLDER
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from palo import command, config
from palo.checkpoint.importing import open_part
from palo.pipeline.vocabulary import VocabularyJob, extend_vocabulary
from palo.store import found_path, lasting_path
from palo.text.vocabulary.extend import VocabularySettings


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtendVocabulary:
    """Adds tokens for chosen languages to a language model.

    Attributes:
        model: Folder of a language model of Llama's architecture.
        tokenizer: Folder of its tokenizer, if that isn't in the model's.
        parallel: Parallel text or text in one language: files, folders, or lists of sources.
        instructions: Conversations as a corpus is built from them: files, folders or patterns.
        vocabulary: Which pieces.
        output: Folder to write.
        force: Replaces a folder that holds something else.
    """

    model: Positional[Path | None] = None
    tokenizer: Path | None = None
    parallel: tuple[Path, ...] = ()
    instructions: tuple[Path, ...] = ()
    vocabulary: VocabularySettings = field(default_factory=VocabularySettings)
    output: Path | None = None
    force: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is missing."""
        if self.model is None:
            yield "the folder of the language model is missing"
        if self.output is None:
            yield "the folder to write is missing: give --output FOLDER"


def main(arguments: list[str]) -> None:
    """Extends the vocabulary, and prints what it does to texts."""
    wanted = command.override(ExtendVocabulary(), arguments, "jobs/extend_vocabulary.py")
    config.check(wanted)
    assert wanted.model is not None
    assert wanted.output is not None
    model = found_path(wanted.model)
    job = VocabularyJob(
        language_model=open_part(model, "language_model"),
        tokenizer=open_part(wanted.tokenizer or model, "tokenizer"),
        parallel=wanted.parallel,
        instructions=wanted.instructions,
        vocabulary=wanted.vocabulary,
        output=lasting_path(wanted.output, on_disk=True),
        force=wanted.force,
    )
    config.check(job)
    record = extend_vocabulary(job, lambda line: print(line, flush=True))
    if record is None:
        print(f"{job.output} holds this extension already")
        return
    pieces = ", ".join(f"{count:,} {name}" for name, count in record["pieces_by_script"].items())
    print(f"{record['new_tokens']:,} new tokens from id {record['first_new_id']:,} on: {pieces}")
    print("tokens of the texts that were learned from, before and now:")
    for code, counts in record["learned_from"].items():
        print(f"  {code}  {counts['before']:>9,}  {counts['after']:>9,}")
    print(f"written: {job.output}")


if __name__ == "__main__":
    command.run_job(main)
