"""Teaches a translator what reviewers approved, and measures it before and after.

python jobs/teach_translator.py REVIEW                    one adapter for all languages
python jobs/teach_translator.py REVIEW --language ur      for one of them
python jobs/teach_translator.py REVIEW --files-only       only the training set, for a hosted model

The training set has OpenAI's chat format beside our own. The model is the recipe nano's unless
--teach.parts.language-model and --teach.parts.tokenizer name the folders of another causal one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from palo import command, config, languages
from palo.recipes import RECIPES
from palo.session import ray_session
from palo.store import lasting_path
from palo.translate.learning.teach import TeachSettings, gain_of, teach
from palo.translate.learning.training_set import TrainingSet, examples_of, write_training_set
from palo.translate.review.store import ReviewStore


@dataclass(frozen=True, kw_only=True, slots=True)
class TeachJob:
    """Teaches a translator.

    Attributes:
        review: Folder of the review.
        output: Folder for the training set, the model and its report.
        language: ISO 639-1 code of what is learnt; all languages of the review together by default.
        held_out_share: Share of the conversations that measures it.
        seed: Seed of the draw of those.
        files_only: Only writes the training set.
        teach: The model and its training.
    """

    review: Positional[Path] = Path("runs/review")
    output: Path = Path("runs/translator")
    language: str | None = None
    held_out_share: float = 0.2
    seed: int = 0
    files_only: bool = False
    teach: TeachSettings = field(
        default_factory=lambda: TeachSettings(parts=RECIPES["nano"]().parts)
    )

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.language is not None and not languages.known(self.language):
            yield f"language {self.language!r} is not one of {', '.join(languages.codes())}"
        if not 0 < self.held_out_share < 1:
            yield f"held_out_share is {self.held_out_share} but must be between 0 and 1"


def main(arguments: list[str]) -> None:
    """Writes the training set, teaches, and reports the gain."""
    job = command.override(TeachJob(), arguments, "jobs/teach_translator.py")
    config.check(job)
    store = ReviewStore.existing(lasting_path(job.review, on_disk=True))
    output = lasting_path(job.output, on_disk=True)
    training_set = write_training_set(
        output / "training_set",
        examples_of(store.items(job.language)),
        held_out_share=job.held_out_share,
        seed=job.seed,
    )
    print(
        f"{len(training_set.learnt):,} turns to learn from, {len(training_set.held_out):,} held "
        f"out, in {', '.join(training_set.languages)}: {training_set.folder}",
        flush=True,
    )
    if not job.files_only:
        _teach(job, training_set, output)


def _teach(job: TeachJob, training_set: TrainingSet, output: Path) -> None:
    # Imported late: it brings torch.
    from palo.translate.learning.report import write_gain

    with ray_session():
        taught = teach(training_set, job.teach, output)
    gain = gain_of(job.teach, taught, list(training_set.held_out))
    print(f"\n{write_gain(output, gain)}\n\nadapter {taught.folder}, report {output}", flush=True)


if __name__ == "__main__":
    command.run_job(main)
