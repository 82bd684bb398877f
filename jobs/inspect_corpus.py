"""Shows what is in a corpus, what was left out, and why; or what a source would become.

    python jobs/inspect_corpus.py --source FILE --images FOLDER  before anything is built
    python jobs/inspect_corpus.py CORPUS                        the account, and rows left out
    python jobs/inspect_corpus.py CORPUS --language ur          some samples of a language
    python jobs/inspect_corpus.py CORPUS --sample 17            one sample, by its number
    python jobs/inspect_corpus.py CORPUS --record ID            one row, wherever it was left
    python jobs/inspect_corpus.py CORPUS --shard FILE           rows of one file, of any kind
    python jobs/inspect_corpus.py CORPUS --report               the report with images, anew
    python jobs/inspect_corpus.py CORPUS --export-quarantine repaired.jsonl [--reason ...]

--html PAGE writes what would be printed as a page with images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from palo import command, config, languages, storage
from palo.reasons import Reason

if TYPE_CHECKING:
    from palo.corpus.report.show import Inspector, Item


_USUAL_LANGUAGE = "en"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """Shows what is in a corpus, what was left out, and why; or what a source would become.

    Attributes:
        corpus: Folder of the corpus, on disk or s3://.
        source: In place of a corpus, a source: a file, a folder or a pattern.
        images: Folder or archive of the source's images; that of its files by default.
        rows: Rows of the source to look at.
        record: Id of a record or sample, `source@place`, or a row's own id in its source.
        sample: Number of a sample.
        shard: A Parquet file of the corpus: of its samples, records or quarantine.
        language: Show samples of this language only, or rows left out that are in it; with a
            source the language of rows that name none.
        reason: Export only rows that were left out for this reason; may be given several times.
        count: How many samples, rows, or examples for each reason.
        seed: Decides which samples are shown.
        html: File to write a page to, in place of printing.
        report: Write the corpus's report anew.
        export_quarantine: File to write rows that were left out to, for repair.
        tokenizer: Where the corpus's tokenizer is now, if not where it was; with a source the one
            that counts tokens.
    """

    corpus: Positional[str] = ""
    source: str | None = None
    images: str | None = None
    rows: int = 10_000
    record: str | None = None
    sample: int | None = None
    shard: str | None = None
    language: str | None = None
    reason: tuple[str, ...] = ()
    count: int = 5
    seed: int = 0
    html: str | None = None
    report: bool = False
    export_quarantine: str | None = None
    tokenizer: str | None = None

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if not self.corpus and self.source is None:
            yield "the folder of the corpus is missing; or give --source FILE"
        if self.corpus and self.source is not None:
            yield "a corpus and a source can't be shown at once"
        if self.images is not None and self.source is None:
            yield "images goes with source"
        if self.source is not None and (others := self._of_a_corpus):
            yield f"of a source there is no {', '.join(others)} before it is built"
        if self.rows < 1:
            yield f"rows must be at least 1, not {self.rows}"
        if self.language is not None and not languages.known(self.language):
            yield f"language {self.language!r} is not one of {', '.join(languages.codes())}"
        if self.count < 1:
            yield f"count must be at least 1, not {self.count}"
        if self.seed < 0:
            yield f"seed is {self.seed} but can't be negative"
        chosen = [name for name in self._of_a_corpus if name != "html"]
        if self.source is None and len(chosen) > 1:
            yield f"only one of {', '.join(chosen)} can be shown"
        if self.reason and self.export_quarantine is None:
            yield "reason goes with export_quarantine"
        for reason in self.reason:
            if reason not in tuple(Reason):
                yield f"no row is left out for the reason {reason!r}, but for {', '.join(Reason)}"

    @property
    def _of_a_corpus(self) -> list[str]:
        """Names what is asked for that only a corpus has."""
        names = ("record", "sample", "shard", "export_quarantine", "html")
        given = [name for name in names if getattr(self, name) is not None]
        return [*given, *["report"] * self.report]


def main(arguments: list[str]) -> None:
    """Prints what was asked for, or writes it to a file."""
    wanted = command.override(Inspection(), arguments, "jobs/inspect_corpus.py")
    config.check(wanted)
    if wanted.source is not None:
        _show_source(wanted, storage.path_of(wanted.source))
        return
    from palo.corpus.report.show import Inspector

    tokenizer = None if wanted.tokenizer is None else storage.path_of(wanted.tokenizer)
    inspector = Inspector(storage.path_of(wanted.corpus), tokenizer)
    if wanted.export_quarantine is not None:
        _export(inspector, wanted, storage.path_of(wanted.export_quarantine))
    elif wanted.report:
        print(f"report: {inspector.write_report(samples=wanted.count, seed=wanted.seed)}")
    else:
        _show(inspector, wanted)


def _show_source(wanted: Inspection, path: Path) -> None:
    from palo.corpus.config import SourceConfig
    from palo.corpus.report.source_preview import default_images, preview_lines, preview_source
    from palo.text.tokenizer import load_tokenizer

    images = default_images(path) if wanted.images is None else storage.path_of(wanted.images)
    source = SourceConfig(
        name="source", path=path, images=images, language=wanted.language or _USUAL_LANGUAGE
    )
    folder = wanted.tokenizer
    tokenizer = None if folder is None else load_tokenizer(storage.path_of(folder))
    preview = preview_source(source, tokenizer, most_rows=wanted.rows, count=wanted.count)
    print("\n".join(preview_lines(preview)))


def _export(inspector: "Inspector", wanted: Inspection, target: Path) -> None:
    codes = () if wanted.language is None else (wanted.language,)
    count = inspector.export(target, wanted.reason, codes)
    print(f"{count:,} rows that were left out: {target}")
    if count == 0:
        return
    print(
        "Repair them there, put the file beside its source, and build with their folder as source."
    )


def _show(inspector: "Inspector", wanted: Inspection) -> None:
    from palo.corpus.report.show import lines_of

    title: str = wanted.corpus
    items: Sequence[Item] | None = None
    lines: Sequence[str] | None = None
    if wanted.record is not None:
        title, items, lines = wanted.record, *inspector.row(wanted.record)
    elif wanted.sample is not None:
        title, items = f"Sample {wanted.sample}", inspector.sample(wanted.sample)
    elif wanted.shard is not None:
        title = wanted.shard
        items = inspector.shard(storage.path_of(wanted.shard), wanted.count, wanted.language)
    elif wanted.language is not None:
        title = f"Samples in {languages.get(wanted.language).name}"
        items = inspector.of_language(wanted.language, wanted.count, wanted.seed)
    if wanted.html is not None:
        text = inspector.account_page() if items is None else inspector.page(title, items)
        storage.write_text(storage.path_of(wanted.html), text)
        print(f"page: {wanted.html}")
    elif items is None:
        print(inspector.account(wanted.count))
    else:
        print("\n".join(lines or lines_of(items)))


if __name__ == "__main__":
    command.run_job(main)
