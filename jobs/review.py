"""Review of translations: on a page, or in files for reviewers without a network.

python jobs/review.py FOLDER                                 the page, on this machine
python jobs/review.py FOLDER --draw results.jsonl            adds a sample of a job's translations
python jobs/review.py FOLDER --write amina.xlsx --language ur --reviewer Amina
python jobs/review.py FOLDER --import-file amina.xlsx --reviewer Amina
python jobs/review.py FOLDER --approved approved.jsonl       what is approved, for a corpus

Files are CSV, XLSX or JSON lines, by their endings. Rows that can't be imported are reported one by
one.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tyro.conf import Positional

from palo import command, config, languages, storage
from palo.errors import DataError
from palo.store import lasting_path
from palo.terminal import one_line
from palo.translate.review.offline.columns import rows_of
from palo.translate.review.offline.files import write_rows
from palo.translate.review.offline.import_reviews import import_reviews
from palo.translate.review.page.settings import ReviewPage
from palo.translate.review.sampling import SampleSettings, sample, waiting_items
from palo.translate.review.store import ReviewStore
from palo.translate.translated import read_rows

_FOLDER = Path("runs/review")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewJob:
    """Lets people review translations.

    Attributes:
        folder: The review.
        page: The page: its address, its keys, and the share that two reviewers see.
        draw: File of translations, of which a sample is added to the review.
        sample: Size of the sample, and the share of it that is drawn at random.
        write: File to write for a reviewer who works offline.
        import_file: Such a file, to import.
        approved: File to write all approved translations to, as records in LLaVA's format.
        reviewer: Name of the file's reviewer.
        language: ISO 639-1 code of the translations that are written; all by default.
        num_items: Most translations that are written.
        independent: Imports decisions beside those of others, even if they have reviewed the same
            in the meantime.
    """

    folder: Positional[Path] = _FOLDER
    page: ReviewPage = field(default_factory=lambda: ReviewPage(folder=_FOLDER))
    draw: Path | None = None
    sample: SampleSettings = field(default_factory=SampleSettings)
    write: Path | None = None
    import_file: Path | None = None
    approved: Path | None = None
    reviewer: str = ""
    language: str | None = None
    num_items: int = 1000
    independent: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what contradicts itself."""
        wanted = (self.draw, self.write, self.import_file, self.approved)
        if sum(path is not None for path in wanted) > 1:
            yield "draw, write, import_file and approved are different things: give one of them"
        if (self.write or self.import_file) and not self.reviewer.strip():
            yield "reviewer is empty: name whose file it is"
        if self.language is not None and not languages.known(self.language):
            yield f"language {self.language!r} is not one of {', '.join(languages.codes())}"
        if self.num_items < 1:
            yield f"num_items is {self.num_items} but must be at least 1"


def main(arguments: list[str]) -> None:
    """Runs the chosen command; without one, serves the page until it is stopped."""
    job = command.override(ReviewJob(), arguments, "jobs/review.py")
    config.check(job)
    folder = lasting_path(job.folder, on_disk=True)
    if job.draw is not None:
        drawn = sample(read_rows(job.draw), job.sample)
        print(f"{ReviewStore(folder).add(drawn):,} of {len(drawn):,} translations are new here")
    elif job.write is not None:
        _write(job, ReviewStore.existing(folder), job.write)
    elif job.import_file is not None:
        _import(job, ReviewStore.existing(folder), job.import_file)
    elif job.approved is not None:
        _write_approved(ReviewStore.existing(folder), job.approved)
    else:
        if not ReviewStore(folder).items():
            print(f"{folder} holds no translations yet", file=sys.stderr, flush=True)
        # Imported late: Gradio takes seconds.
        from palo.translate.review.page.mount import serve_review

        serve_review(replace(job.page, folder=folder))


def _write(job: ReviewJob, store: ReviewStore, path: Path) -> None:
    waiting = waiting_items(
        store.items(job.language), job.reviewer, second_share=job.page.second_share
    )[: job.num_items]
    if not waiting:
        raise DataError(
            f"nothing waits for {job.reviewer}",
            seen=store.folder,
            fix="Add translations with jobs/translate.py, or choose another language.",
        )
    write_rows(path, rows_of(waiting, job.reviewer))
    print(f"{len(waiting):,} translations for {job.reviewer}, the most doubtful first: {path}")


def _import(job: ReviewJob, store: ReviewStore, path: Path) -> None:
    imported = import_reviews(store, path, job.reviewer, independent=job.independent)
    for one in imported:
        if one.status in ("refused", "missing"):
            rows = ", ".join(map(str, one.rows))
            print(one_line(f"{one.status} row {rows} {one.key}: {one.reason}"))
    counts = Counter(one.status for one in imported)
    message = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    print(f"{path}: {message or 'no rows'}; the file and this account are kept in {store.folder}")


def _write_approved(store: ReviewStore, path: Path) -> None:
    rows = [translated.record.to_llava() for translated in store.results()]
    storage.write_text(path, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
    print(f"{len(rows):,} approved translations: {path}")


if __name__ == "__main__":
    command.run_job(main)
