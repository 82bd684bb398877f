"""What a source would become, before anything is built: its layout, its rows, its images."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from palo import languages
from palo.corpus.config import CleaningSettings, SourceConfig
from palo.corpus.images_step.image_files import stamp_of
from palo.corpus.parse.cleaner import Cleaner
from palo.corpus.parse.origin import origin_of
from palo.corpus.parse.worker import parse_row
from palo.corpus.report.items import ShownSample, shown
from palo.corpus.report.terminal import record_lines, sample_lines
from palo.corpus.sources import RawRow, Split, read_split, split_source
from palo.data.bad_row import BadRow
from palo.data.layouts import row_turns
from palo.data.records import Record
from palo.data.samples import Sample
from palo.images.archives import check_archive
from palo.images.image_folder import is_web, parts_of
from palo.terminal import visible
from palo.text.encoding import EncodingLimits, encode_conversation
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer

_TEMPLATE = "vicuna_v1"
_NO_IMAGE = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcePreview:
    """What a source would become.

    Attributes:
        files: Its files, each with how it is written.
        num_rows: Rows that were looked at.
        is_whole: Whether those are all.
        layouts: Rows by their layout.
        kept: Rows that are kept, by language.
        refused: Rows that are refused, by reason; the least of them with its place and why.
        images: Rows by their image: found, missing, on a server, in an archive, none.
        missing: Path of an image that is missing; empty without one.
        num_text_tokens: Text tokens of the samples, without a tokenizer none.
        samples: The first samples, as the model would read them, or records without a tokenizer.
    """

    files: tuple[tuple[str, str], ...]
    num_rows: int
    is_whole: bool
    layouts: Mapping[str, int]
    kept: Mapping[str, int]
    refused: Mapping[str, tuple[int, str]]
    images: Mapping[str, int]
    missing: str
    num_text_tokens: tuple[int, ...]
    samples: tuple[Record | ShownSample, ...]


def preview_source(
    source: SourceConfig, tokenizer: TextTokenizer | None, *, most_rows: int, count: int
) -> SourcePreview:
    """Reads the first rows of a source as a build would.

    Args:
        source: The source.
        tokenizer: Counts tokens; None counts none.
        most_rows: How many rows to look at.
        count: How many samples to keep.

    Raises:
        DataError: If the source can't be used as a whole.
        StorageError: If it can't be read.
    """
    splits = split_source(source.path, source.format)
    if source.images is not None and source.images.is_file():
        check_archive(source.images)
    preview = _Preview(source, tokenizer, count)
    rows = ((split, raw) for split in splits for raw in read_split(split))
    for split, raw in islice(rows, most_rows):
        preview.add(split, raw)
    files = dict.fromkeys((str(split.path), split.format) for split in splits)
    return preview.finish(tuple(files), is_whole=next(rows, None) is None)


class _Preview:
    def __init__(self, source: SourceConfig, tokenizer: TextTokenizer | None, count: int) -> None:
        self._origin = origin_of(source)
        self._tokenizer = tokenizer
        self._count = count
        self._cleaner = Cleaner(CleaningSettings(), self._origin.known)
        self._layouts: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._refused: dict[str, tuple[int, str]] = {}
        self._images: Counter[str] = Counter()
        self._missing = ""
        self._num_rows = 0
        self._lengths: list[int] = []
        self._samples: list[Record | ShownSample] = []

    def add(self, split: Split, raw: RawRow) -> None:
        self._num_rows += 1
        self._layouts[_layout(raw)] += 1
        found = parse_row(raw, self._origin, split.row_offset(raw.offset))
        if isinstance(found, Record):
            found = self._cleaner.clean(found)
        if isinstance(found, Record):
            self._kept[found.language] += 1
            self._add_image(found.image)
            self._add_samples(found)
            return
        count, example = self._refused.get(found.reason, (0, ""))
        at = f"{split.path.name} at {raw.offset}"
        seen = f"{at}: {found.detail}" if found.detail else at
        self._refused[found.reason] = (count + 1, example or seen)

    def _add_image(self, image: str | None) -> None:
        if image is None:
            kind = "none"
        elif is_web(image):
            kind = "on a server"
        elif parts_of(image)[1]:
            kind = "in an archive"
        else:
            kind = "found" if stamp_of(image)[0] != _NO_IMAGE else "missing"
        if kind == "missing" and image is not None:
            self._missing = self._missing or image
        self._images[kind] += 1

    def _add_samples(self, record: Record) -> None:
        is_shown = len(self._samples) < self._count
        if self._tokenizer is None:
            self._samples += [record] * is_shown
            return
        limits = EncodingLimits(max_text_tokens=1 << 20)
        encoded = encode_conversation(
            record.conversation, TEMPLATES[_TEMPLATE], self._tokenizer, limits
        )
        for sample in encoded.samples:
            self._lengths.append(sample.num_text_tokens)
            if not is_shown:
                continue
            whole = Sample(
                sample_id=record.record_id,
                record_id=record.record_id,
                language=record.language,
                source=record.source,
                image_id=None,
                input_ids=np.frombuffer(sample.input_ids, np.int32),
                label_spans=np.array(sample.label_spans, np.int32),
            )
            self._samples.append(shown(whole, self._tokenizer, record.image))

    def finish(self, files: tuple[tuple[str, str], ...], *, is_whole: bool) -> SourcePreview:
        return SourcePreview(
            files=files,
            num_rows=self._num_rows,
            is_whole=is_whole,
            layouts=dict(self._layouts.most_common()),
            kept=dict(self._kept.most_common()),
            refused=dict(sorted(self._refused.items(), key=lambda pair: -pair[1][0])),
            images=dict(self._images.most_common()),
            missing=self._missing,
            num_text_tokens=tuple(self._lengths),
            samples=tuple(self._samples),
        )


def _layout(raw: RawRow) -> str:
    if raw.reason is not None:
        return "none"
    try:
        value = raw.value if raw.value is not None else json.loads(raw.data)
        if isinstance(value, list):
            return "a list of turns"
        return row_turns(value).layout if isinstance(value, dict) else "none"
    except (BadRow, ValueError, RecursionError):
        return "none"


def preview_lines(preview: SourcePreview) -> Iterator[str]:
    """Yields what a source would become, as lines for a terminal.

    Args:
        preview: What it would become.
    """
    for path, form in preview.files:
        yield f"file      {visible(path)}  {form}"
    more = "" if preview.is_whole else ", the first ones"
    yield f"rows      {preview.num_rows:,}{more}"
    yield f"layout    {_counts(preview.layouts)}"
    named = {languages.get(code).name: count for code, count in preview.kept.items()}
    yield f"kept      {sum(preview.kept.values()):,}  {_counts(named)}".rstrip()
    yield f"refused   {sum(count for count, _ in preview.refused.values()):,}"
    for reason, (count, example) in preview.refused.items():
        yield f"          {count:,} {reason}: {visible(example)}"
    yield f"images    {_counts(preview.images)}".rstrip()
    if preview.missing:
        yield f"          missing: {visible(preview.missing)}"
    if preview.num_text_tokens:
        lengths = np.array(preview.num_text_tokens)
        middle, most = int(np.median(lengths)), int(lengths.max())
        yield f"tokens    {int(lengths.sum()):,} of text, median {middle:,}, longest {most:,}"
    for sample in preview.samples:
        yield ""
        yield from record_lines(sample) if isinstance(sample, Record) else sample_lines(sample)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{visible(name)} {count:,}" for name, count in counts.items())


def default_images(path: Path) -> Path:
    """Returns where the images of a source are if nobody says it: beside its files.

    Args:
        path: The source.
    """
    return path if path.is_dir() else path.parent
