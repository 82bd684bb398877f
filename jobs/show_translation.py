"""Shows translation from end to end, offline: `python jobs/show_translation.py [--to es fr]`.

English conversations about drawn images go through Apertium and the checks into a review; a
reviewer who knows the right words corrects them (with `--by-hand` you do, on the review page); a
small translator learns from that, and is measured before and after; what is approved becomes
records, which a model can be trained on.
Look at the review with: make review FOLDER=runs/translation/job/review
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from palo import command, config
from palo.pipeline.translated_scenes import correct, draw_source, languages_with_books, learn
from palo.recipes import RECIPES
from palo.session import ray_session
from palo.store import lasting_path
from palo.translate.bulk.job import translate_all
from palo.translate.bulk.outputs import OutputForm
from palo.translate.bulk.settings import TranslateJob, TranslatorSettings
from palo.translate.learning.report import write_gain
from palo.translate.learning.teach import TeachSettings
from palo.translate.review.store import ReviewStore


def _few_examples() -> TeachSettings:
    """Returns settings for some hundred short examples, which want many epochs of small steps."""
    settings = TeachSettings(parts=RECIPES["nano"]().parts)
    return replace(settings, stage=replace(settings.stage, epochs=12, global_batch=16))


@dataclass(frozen=True, kw_only=True, slots=True)
class ShowJob:
    """Shows translation from end to end.

    Attributes:
        output: Folder for everything.
        to: ISO 639-1 codes; Apertium must have pairs that lead to them.
        num_conversations: Images, with a conversation each.
        num_rounds: Questions and answers of one.
        by_hand: Leaves the corrections to people: the job ends when all is in review, and resumes
            from there when it's run again.
        seed: Seed of the images.
        teach: The model that learns, and how.
    """

    output: Path = Path("runs/translation")
    to: tuple[str, ...] = ("es", "fr")
    num_conversations: int = 150
    num_rounds: int = 3
    by_hand: bool = False
    seed: int = 0
    teach: TeachSettings = field(default_factory=_few_examples)

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        yield from languages_with_books(self.to)
        for name in ("num_conversations", "num_rounds"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"


def main(arguments: list[str]) -> None:
    """Runs all steps, and prints the next one.

    Args:
        arguments: The command line.
    """
    job = command.override(ShowJob(), arguments, "jobs/show_translation.py")
    config.check(job)
    output = lasting_path(job.output, on_disk=True)
    source = draw_source(
        output / "scenes",
        job.to,
        num_conversations=job.num_conversations,
        num_rounds=job.num_rounds,
        seed=job.seed,
    )
    work = TranslateJob(
        source=source.rows,
        to=job.to,
        translator=TranslatorSettings(backend="apertium"),
        output=output / "job",
        images=source.folder,
        review_all=True,
    ).used()
    _translate(work)
    store = ReviewStore(work.folder / "review")
    if not job.by_hand:
        print(f"corrected {correct(store, source):,} of {len(store.items()):,} translations")
    elif waiting := sum(item.state == "open" for item in store.items()):
        print(f"{waiting:,} translations wait for you. Correct them, then run this command again:")
        print(f"  make review FOLDER={store.folder.resolve()} ARGS='--page.images {source.folder}'")
        return
    _translate(work)  # the second time it takes what was approved
    with ray_session():
        gain = learn(store, job.teach, output / "translator")
    print(f"\n{write_gain(output / 'translator', gain)}\n")
    print(f"report  {output / 'translator' / 'examples.html'}")
    print(f"records {work.folder / 'sources.toml'}; train a model on them with:")
    sources = (work.folder / "sources.toml").resolve()
    print(
        f"  python jobs/finetune.py nano --data.instructions {sources} "
        f"--output {output / 'model'} --scenes.num-train-scenes 300",
        flush=True,
    )


def _translate(job: TranslateJob) -> None:
    config.check(job)
    report = translate_all(job.work(), job.folder, form=OutputForm(images=job.images))
    for code, account in report.languages.items():
        print(
            f"{code}: {account.records:,} records, {account.review:,} in review, "
            f"{account.quarantine:,} in quarantine",
            flush=True,
        )


if __name__ == "__main__":
    command.run_job(main)
