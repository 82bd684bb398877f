"""The report of a finished corpus: one HTML page, for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palo import storage
from palo.corpus.report import sections
from palo.corpus.report.cards import dropped_card, record_card, sample_card
from palo.corpus.report.differences import marked
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
from palo.html.language_label import language_label
from palo.html.markup import Markup, element, joined
from palo.html.page import Section, page
from palo.text.tokenizer import TextTokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportSettings:
    """How much a report shows.

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
    """Returns where the report of a corpus lies."""
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
    """Returns the report of a corpus as HTML."""
    manifest = corpus.manifest
    examples = dropped_examples(corpus.folder, manifest.stages, settings.examples)
    repeated = {key: rows for key, rows in examples.items() if key[0] == "near_duplicate"}
    parts = [
        Section("figures", "Figures", sections.tiles(manifest)),
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
    links = [
        element("li", element("a", language_label(code), href=f"#samples-{code}"))
        for code in numbers
    ]
    return joined(
        element(
            "p",
            f"{settings.samples} of each language, chosen at random. Green words are trained, the "
            "others are only read. Images are preprocessed as for the image tower.",
        ),
        element("ul", *links, class_="links", aria_label="Languages"),
        samples_by_language(corpus, numbers, tokenizer),
    )


def samples_by_language(
    corpus: Corpus, numbers: Mapping[str, Sequence[int]], tokenizer: TextTokenizer
) -> Markup:
    """Returns samples as cards, under their languages.

    Args:
        corpus: The corpus.
        numbers: Sample numbers by language.
        tokenizer: The corpus's tokenizer.
    """
    samples = {code: corpus.read(rows) for code, rows in numbers.items()}
    every = [sample for rows in samples.values() for sample in rows]
    viewer = ImageViewer(corpus, [sample.image_id for sample in every if sample.image_id])
    blocks: list[Markup] = []
    for code, rows in samples.items():
        cards = []
        for sample in rows:
            path = viewer.path(sample.image_id) if sample.image_id else None
            image = viewer.data_uri(sample.image_id) if sample.image_id else None
            cards.append(sample_card(shown(sample, tokenizer, path), image))
        blocks += [
            element("h3", language_label(code), id=f"samples-{code}"),
            element("div", *cards, class_="cards"),
        ]
    return joined(*blocks)


def _left_out(examples: Mapping[tuple[str, str], Sequence[Dropped]]) -> Markup:
    blocks: list[Markup] = [
        element(
            "p",
            "The first rows of each kind, as they were read. All of them are in the corpus's "
            "quarantine; jobs/inspect_corpus.py writes them to a file for repair.",
        )
    ]
    for (step, reason), rows in examples.items():
        blocks += [
            element("h3", reason, " ", element("span", step.replace("_", " "), class_="own")),
            element("div", *map(dropped_card, rows), class_="cards"),
        ]
    return joined(*blocks)


def _near(groups: Sequence[NearGroup]) -> Markup:
    blocks: list[Markup] = [
        element(
            "p",
            "The largest groups. The first record stays, the others are left out; what they say "
            "otherwise is marked.",
        )
    ]
    for number, group in enumerate(groups, start=1):
        first = [] if group.first is None else [record_card(group.first)]
        others = [marked(group.first, row) for row in group.others]
        title = f"Group {number}: {group.num_others:,} like the first"
        blocks += [element("h3", title), element("div", *first, *others, class_="cards")]
    return joined(*blocks)
