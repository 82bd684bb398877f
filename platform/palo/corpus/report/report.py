"""The report of a finished corpus: one HTML page, for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from palo import storage
from palo.corpus.report import sections
from palo.corpus.report.cards import (
    TEMPLATES,
    Card,
    dropped_card,
    near_duplicate_card,
    record_card,
    sample_card,
)
from palo.corpus.report.examples import (
    NearGroup,
    dropped_examples,
    near_groups_of,
    sample_numbers,
)
from palo.corpus.report.images import ImageViewer
from palo.corpus.report.items import shown, tokenizer_of
from palo.corpus.report.shards import Dropped
from palo.data.corpus_reader import Corpus, open_corpus
from palo.html.page import Section, page
from palo.text.tokenizer import TextTokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportSettings:
    """Sizes of a report.

    Attributes:
        samples: Samples of each language.
        examples: Rows for each reason that rows were left out for.
        groups: Groups of near duplicates.
        seed: Decides which samples.
    """

    samples: int = 6
    examples: int = 2
    groups: int = 8
    seed: int = 0


def report_path(corpus: Path) -> Path:
    """Returns the path of a corpus's report.

    Args:
        corpus: Folder of the corpus.
    """
    return corpus / "report" / "index.html"


def write_report(
    folder: Path, settings: ReportSettings | None = None, tokenizer: Path | None = None
) -> Path:
    """Writes the report of a finished corpus.

    Args:
        folder: The corpus.
        settings: How much it shows.
        tokenizer: Where the corpus's tokenizer is now; None looks where it was.

    Returns:
        The page.

    Raises:
        DataError: If there is no finished corpus.
        MismatchError: If the tokenizer is another one by now.
        StorageError: If something can't be read or written.
    """
    corpus = open_corpus(folder)
    text = report_page(
        corpus, settings or ReportSettings(), tokenizer_of(folder, corpus.manifest, tokenizer)
    )
    storage.write_text(report_path(folder), text)
    return report_path(folder)


def report_page(corpus: Corpus, settings: ReportSettings, tokenizer: TextTokenizer) -> str:
    """Returns the report of a corpus as HTML.

    Args:
        corpus: The corpus.
        settings: How much it shows.
        tokenizer: The corpus's tokenizer.
    """
    manifest = corpus.manifest
    examples = dropped_examples(corpus.folder, manifest.stages, settings.examples)
    repeated = {key: rows for key, rows in examples.items() if key[0] == "near_duplicate"}
    parts = [
        Section("figures", "Figures", sections.figures(manifest)),
        Section("rows", "Where each row went", sections.account(manifest.stages)),
        Section("languages", "Languages and sources", sections.by_language(manifest)),
        Section("lengths", "Lengths", sections.lengths(manifest)),
    ]
    if any(stage.name == "mixture" and stage.num_dropped for stage in manifest.stages):
        parts.append(Section("mixture", "Mixture", sections.mixture(manifest)))
    if repeated:
        groups = near_groups_of(corpus.folder, settings.groups, num_others=3)
        parts.append(Section("near", "Near duplicates", _near(groups)))
    if left_out := {key: rows for key, rows in examples.items() if key not in repeated}:
        parts.append(Section("left-out", "Left out", _left_out(left_out)))
    parts += [
        Section(
            "samples", "Samples as the model sees them", _contact_sheet(corpus, settings, tokenizer)
        ),
        Section("made", "What made it", sections.settings(manifest)),
    ]
    folder = corpus.folder
    name = "/".join(filter(None, (folder.parent.parent.name, folder.parent.name, folder.name)))
    return page(f"Corpus {name}", f"Fingerprint {manifest.fingerprint}", parts)


def _contact_sheet(corpus: Corpus, settings: ReportSettings, tokenizer: TextTokenizer) -> Markup:
    numbers = sample_numbers(corpus, settings.samples, settings.seed)
    samples = {code: corpus.read(rows) for code, rows in numbers.items()}
    every = [sample for rows in samples.values() for sample in rows]
    viewer = ImageViewer(corpus, [sample.image_id for sample in every if sample.image_id])
    cards: dict[str, list[Card]] = {}
    for code, rows in samples.items():
        cards[code] = []
        for sample in rows:
            path = viewer.path(sample.image_id) if sample.image_id else None
            image = viewer.data_uri(sample.image_id) if sample.image_id else None
            cards[code].append(sample_card(shown(sample, tokenizer, path), image))
    return TEMPLATES.render("samples.html", count=settings.samples, cards=cards)


def _left_out(examples: Mapping[tuple[str, str], Sequence[Dropped]]) -> Markup:
    groups = [
        (step, reason, [dropped_card(row) for row in rows])
        for (step, reason), rows in examples.items()
    ]
    return TEMPLATES.render("left_out.html", groups=groups)


def _near(groups: Sequence[NearGroup]) -> Markup:
    shown_groups = []
    for number, group in enumerate(groups, start=1):
        first = [] if group.first is None else [record_card(group.first)]
        others = [near_duplicate_card(group.first, row) for row in group.others]
        title = f"Group {number}: {group.num_others:,} like the first"
        shown_groups.append((title, [*first, *others]))
    return TEMPLATES.render("near.html", groups=shown_groups)
