"""The manifest of a corpus: counts of every row, and the settings that made the samples."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import palo
from palo import storage
from palo.config import from_dict, to_dict
from palo.errors import DataError

CORPUS_VERSION = 5
"""Version of corpora; raised when the same sources and settings give other files or samples."""

LENGTH_STEP = 64
"""Text tokens of one bar of a histogram of lengths."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCount:
    """Rows that went through one stage of a build.

    Attributes:
        name: The stage.
        rows_in: Rows that came in.
        rows_out: Rows that were kept.
        dropped: Rows dropped, by reason and language ("unknown" where a row has none).
    """

    name: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def num_dropped(self) -> int:
        """Rows dropped for any reason."""
        return sum(sum(counts.values()) for counts in self.dropped.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageCount:
    """Counts of a corpus in one language.

    Attributes:
        language: ISO 639-1 code.
        num_records: Records that gave at least one sample.
        num_samples: Samples.
        num_split: Records that were split between rounds because of their length.
        num_cut: Samples whose text was cut.
        num_dropped_parts: Parts of split records that were left out, since no trained token fitted.
        num_text_tokens: Text tokens of all samples.
        num_target_tokens: Tokens of all samples that are trained.
        median_text_tokens: Median text tokens of a sample.
        p95_text_tokens: Text tokens that 95 % of samples don't exceed.
        max_text_tokens: Text tokens of the longest sample.
        truncation_rate: Share of samples whose text was cut.
        num_rewritten_turns: Turns of all its records that were put into normal form.
        num_in_other_language: Records that were kept though their answers are in another language.
        lengths: How many samples have from n * LENGTH_STEP text tokens on, less than
            (n + 1) * LENGTH_STEP, for n from 0.
    """

    language: str
    num_records: int
    num_samples: int
    num_split: int
    num_cut: int
    num_dropped_parts: int
    num_text_tokens: int
    num_target_tokens: int
    median_text_tokens: float
    p95_text_tokens: float
    max_text_tokens: int
    truncation_rate: float
    num_rewritten_turns: int = 0
    num_in_other_language: int = 0
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceCount:
    """Counts of one source in a corpus.

    Attributes:
        name: The source.
        stages: Counts of its rows in each stage of the build.
        num_records: Records that gave at least one sample, by language.
        num_samples: Samples, by language.
        num_text_tokens: Text tokens of all samples, by language.
    """

    name: str
    stages: tuple[StageCount, ...]
    num_records: Mapping[str, int]
    num_samples: Mapping[str, int]
    num_text_tokens: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A corpus: its settings, its files, and the counts of its rows.

    Attributes:
        stages: Counts of rows in each stage of the build, in order.
        languages: Token statistics by language.
        sources: Counts of the sources, in order; empty where nothing was built of sources.
        files: Size in bytes of each samples file by its path in the corpus, in the order of the
            samples.
        num_samples: Samples.
        num_images: Distinct images that samples use.
        inputs: SHA-256 of the rows of each source, by source name.
        settings: The resolved configuration of the build, as JSON values.
        template: Name of the conversation template.
        tokenizer_fingerprint: Names the tokenizer's files.
        tower_fingerprint: Names the tower's configuration and weights; empty where the image store
            holds pixels, or where there are no images.
        image_store: Folder of the image store, relative to the corpus; None without images.
        code_version: Version of the code that built it.
        fingerprint: Names the samples and the images' preprocessing: equal corpora, equal name.
        tokenizer: Folder of the tokenizer when the corpus was built, to decode its samples.
    """

    stages: tuple[StageCount, ...]
    languages: tuple[LanguageCount, ...]
    sources: tuple[SourceCount, ...] = ()
    files: Mapping[str, int]
    num_samples: int
    num_images: int
    inputs: Mapping[str, str]
    settings: Mapping[str, Any]
    template: str
    tokenizer_fingerprint: str
    tower_fingerprint: str
    image_store: str | None
    code_version: str
    fingerprint: str
    tokenizer: str = ""

    def faults(self) -> Iterator[str]:
        """Yields one clause for each count that doesn't add up."""
        yield from _stage_faults(self.stages)
        for source in self.sources:
            yield from (f"source {source.name}: {fault}" for fault in _stage_faults(source.stages))
        if self.sources:
            for stage, *own in zip(
                self.stages, *(source.stages for source in self.sources), strict=True
            ):
                counted = sum(part.rows_in for part in own)
                if counted != stage.rows_in:
                    yield (
                        f"stage {stage.name}: {stage.rows_in} rows in, {counted} over all sources"
                    )
        counted = sum(language.num_samples for language in self.languages)
        if counted != self.num_samples:
            yield f"{self.num_samples} samples, {counted} over all languages"


def _stage_faults(stages: Sequence[StageCount]) -> Iterator[str]:
    for stage in stages:
        if stage.rows_in != stage.rows_out + stage.num_dropped:
            yield (
                f"stage {stage.name}: {stage.rows_in} rows in, "
                f"{stage.rows_out} out, {stage.num_dropped} dropped"
            )
    for before, after in pairwise(stages):
        if before.rows_out != after.rows_in:
            yield (
                f"{before.rows_out} rows left stage {before.name}, "
                f"{after.rows_in} reached stage {after.name}"
            )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest whose counts add up.

    Args:
        path: The file.
        manifest: The manifest.

    Raises:
        DataError: If they don't.
        StorageError: If it can't be written.
    """
    _require_counts(path, manifest)
    storage.write_json(path, to_dict(manifest))


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest whose counts add up.

    Args:
        path: The file.

    Raises:
        DataError: If they don't.
        StorageError: If it can't be read.
    """
    manifest = from_dict(Manifest, storage.read_json(path))
    _require_counts(path, manifest)
    return manifest


def _require_counts(path: Path, manifest: Manifest) -> None:
    faults = list(manifest.faults())
    if faults:
        raise DataError(
            f"rows are unaccounted for in {path}",
            seen="; ".join(faults),
            fix="Build the corpus again; if that repeats it, report it as an error of the build.",
        )


@cache
def code_version() -> str:
    """Returns the package's version and a hash of its code, without the need for git."""
    digest = hashlib.sha256()
    root = Path(palo.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return f"{version('palo')}+{digest.hexdigest()[:12]}"
