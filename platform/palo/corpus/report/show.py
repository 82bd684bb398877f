"""Chosen rows of a corpus, to be printed or made a page of."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

from palo.corpus.report import terminal
from palo.corpus.report.cards import (
    Card,
    cards_html,
    dropped_card,
    record_card,
    sample_card,
)
from palo.corpus.report.examples import dropped_examples, sample_numbers
from palo.corpus.report.images import ImageViewer
from palo.corpus.report.items import ShownSample, shown, tokenizer_of
from palo.corpus.report.lookup import find
from palo.corpus.report.repair import export_quarantine
from palo.corpus.report.report import ReportSettings, report_page, write_report
from palo.corpus.report.shards import (
    DropChoice,
    Dropped,
    part_of,
    read_dropped,
    read_records,
    read_samples,
)
from palo.data.corpus_reader import Corpus, open_corpus
from palo.data.manifest import StageCount
from palo.data.records import Record
from palo.data.samples import Sample
from palo.errors import DataError
from palo.html.page import Section, page
from palo.text.tokenizer import TextTokenizer

Item = ShownSample | Record | Dropped

_PARTS = ("manifest.json", "samples", "records", "quarantine")


class Inspector:
    """Looks into a corpus; one whose build stopped can be looked into as far as it came.

    Args:
        folder: The corpus.
        tokenizer: Where its tokenizer is now; None looks where it was.

    Raises:
        DataError: If there is no corpus; the message names one that is near.
    """

    def __init__(self, folder: Path, tokenizer: Path | None = None) -> None:
        if not any((folder / part).exists() for part in _PARTS):
            near = _nearest_corpus(folder)
            raise DataError(
                f"there is no corpus in {folder}",
                fix=f"Did you mean {near}?" if near else "Build it with jobs/build_corpus.py.",
            )
        self.folder = folder
        self._tokenizer_folder = tokenizer

    @property
    def is_finished(self) -> bool:
        """Whether its build came to its end."""
        return (self.folder / "manifest.json").exists()

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus, if it is finished."""
        return open_corpus(self.folder)

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """The corpus's tokenizer."""
        return tokenizer_of(self.folder, self.corpus.manifest, self._tokenizer_folder)

    def account(self, count: int) -> str:
        """Returns where each row went, with examples of those that were left out.

        Args:
            count: Examples of each reason.
        """
        if self.is_finished:
            manifest = self.corpus.manifest
            examples = dropped_examples(self.folder, manifest.stages, count)
            return terminal.overview(manifest, examples)
        stages = _stages_of(DropChoice().rows(self.folder))
        examples = dropped_examples(self.folder, stages, count)
        listed = terminal.left_out(stages, examples) or "Nothing was left out so far."
        return f"The build of {self.folder} is not finished.\n\n{listed}"

    def of_language(self, code: str, count: int, seed: int) -> list[ShownSample]:
        """Returns samples of a language, chosen at random.

        Args:
            code: ISO code of the language.
            count: How many samples.
            seed: Decides which ones.

        Raises:
            DataError: If there is none in this language.
        """
        numbers = sample_numbers(self.corpus, count, seed, [code])
        if not numbers:
            raise DataError(
                f"{self.folder} has no sample in this language",
                seen=code,
                fix=f"It has {', '.join(sample_numbers(self.corpus, 1, 0))}.",
            )
        return self._shown(self.corpus.read(numbers[code]))

    def sample(self, number: int) -> list[ShownSample]:
        """Returns one sample.

        Args:
            number: Number of the sample.

        Raises:
            DataError: If there is none of this number.
        """
        if not 0 <= number < len(self.corpus):
            raise DataError(
                f"{self.folder} has no sample of this number",
                seen=number,
                fix=f"Its samples are 0 to {len(self.corpus) - 1}.",
            )
        return self._shown(self.corpus.read([number]))

    def row(self, name: str) -> tuple[list[Item], list[str]]:
        """Returns the results of one row, and the same as lines for a terminal.

        Args:
            name: Its name, as `find` takes it.
        """
        found = find(self.folder, name)
        samples = self._shown(found.samples) if found.samples else []
        records = [] if found.record is None else [found.record]
        return [*records, *found.dropped, *samples], list(terminal.found_lines(found, samples))

    def shard(self, path: Path, count: int, language: str | None = None) -> Sequence[Item]:
        """Returns the first rows of a file of the corpus.

        Args:
            path: The file; a name without a folder is looked for in the corpus.
            count: How many rows.
            language: Rows in this language only.
        """
        filters = None if language is None else [("language", "=", language)]
        if not path.exists() and (self.folder / path).exists():
            path = self.folder / path
        part = part_of(path)
        if part == "samples":
            return self._shown(list(islice(read_samples(path, filters), count)))
        read = read_records if part == "records" else read_dropped
        return list(islice(read(path, filters), count))

    def _shown(self, samples: Sequence[Sample]) -> list[ShownSample]:
        ids = [sample.image_id for sample in samples if sample.image_id is not None]
        viewer = ImageViewer(self.corpus, ids)
        return [
            shown(sample, self.tokenizer, viewer.path(sample.image_id) if sample.image_id else None)
            for sample in samples
        ]

    def write_report(self, samples: int, seed: int) -> Path:
        """Writes the corpus's report; returns its path.

        Args:
            samples: Samples of each language.
            seed: Decides which ones.
        """
        settings = ReportSettings(samples=samples, seed=seed)
        return write_report(self.folder, settings, self._tokenizer_folder)

    def account_page(self) -> str:
        """Returns the corpus's report."""
        return report_page(self.corpus, ReportSettings(), self.tokenizer)

    def export(self, target: Path, reasons: tuple[str, ...], codes: tuple[str, ...]) -> int:
        """Writes rows that were left out to a file, for repair; returns how many.

        Args:
            target: The file to write.
            reasons: Reasons of rows; empty takes all.
            codes: ISO codes of languages; empty takes all.
        """
        manifest = self.corpus.manifest if self.is_finished else None
        return export_quarantine(
            self.folder, manifest, target, DropChoice(reasons=reasons, languages=codes)
        )

    def page(self, title: str, items: Sequence[Item]) -> str:
        """Returns rows as a page with their images.

        Args:
            title: Title of the page.
            items: The rows.
        """
        ids = [
            item.sample.image_id
            for item in items
            if isinstance(item, ShownSample) and item.sample.image_id is not None
        ]
        viewer = ImageViewer(self.corpus, ids) if ids else None
        cards = [_card(item, viewer) for item in items]
        sections = [Section("rows", "Rows", cards_html(cards))]
        return page(title, f"Corpus {self.folder}", sections)


def _card(item: Item, viewer: ImageViewer | None) -> Card:
    if isinstance(item, Record):
        return record_card(item)
    if isinstance(item, Dropped):
        return dropped_card(item)
    image_id = item.sample.image_id
    return sample_card(item, viewer.data_uri(image_id) if viewer and image_id else None)


def lines_of(items: Sequence[Item]) -> Iterator[str]:
    """Yields rows as lines for a terminal, a blank line after each row.

    Args:
        items: The rows.
    """
    for item in items:
        if isinstance(item, Record):
            yield from terminal.record_lines(item)
        elif isinstance(item, Dropped):
            yield from terminal.dropped_lines(item)
        else:
            yield from terminal.sample_lines(item)
        yield ""


def _stages_of(rows: Iterator[Dropped]) -> list[StageCount]:
    """Counts what a build that stopped has left out so far."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for row in rows:
        counts.setdefault(row.step, {}).setdefault(row.reason, Counter())[row.language] += 1
    return [
        StageCount(name=step, rows_in=0, rows_out=0, dropped=reasons)
        for step, reasons in counts.items()
    ]


def _nearest_corpus(folder: Path) -> Path | None:
    """Returns a corpus within or beside a path that is none; looks on this machine only."""
    if str(folder).startswith("s3://"):
        return None
    parent = folder
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    patterns = ("*/manifest.json", "*/*/manifest.json", "*/*/*/manifest.json")
    found = [path.parent for pattern in patterns for path in sorted(parent.glob(pattern))]
    corpora = {str(path): path for path in found if (path / "samples").is_dir()}
    near = difflib.get_close_matches(str(folder), corpora, n=1, cutoff=0.0)
    return corpora[near[0]] if near else None
