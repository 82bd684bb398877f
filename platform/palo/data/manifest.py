"""The manifest of a corpus: an account of every row, and what made the samples."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import palo
from palo import storage
from palo.config import from_dict, to_dict
from palo.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCount:
    """Rows that went through one stage of a build.

    Attributes:
        name: The stage.
        rows_in: Rows that came in.
        rows_out: Rows that went on.
        dropped: Rows left out, by reason and language ("unknown" where a row has none).
    """

    name: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def num_dropped(self) -> int:
        """Rows left out for any reason."""
        return sum(sum(counts.values()) for counts in self.dropped.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageCount:
    """What a corpus holds in one language.

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a corpus is, what made it, and where each of its rows went.

    Attributes:
        stages: Accounts of the build's stages, in order.
        languages: Token statistics by language.
        num_samples: Samples.
        num_images: Distinct images that samples use.
        inputs: SHA-256 of each source file, by source name.
        settings: The resolved configuration of the build, as JSON values.
        template: Name of the conversation template.
        tokenizer_fingerprint: Names the tokenizer's files.
        tower_fingerprint: Names the tower's configuration and weights; empty where the image store
            holds pixels, or where there are no images.
        image_store: Folder of the image store, relative to the corpus; None without images.
        code_version: Version of the code that built it.
        fingerprint: Names the samples and the images' preprocessing: equal corpora, equal name.
    """

    stages: tuple[StageCount, ...]
    languages: tuple[LanguageCount, ...]
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

    def faults(self) -> Iterator[str]:
        """Yields one clause for each account that doesn't add up."""
        for stage in self.stages:
            if stage.rows_in != stage.rows_out + stage.num_dropped:
                yield (
                    f"stage {stage.name}: {stage.rows_in} rows in, "
                    f"{stage.rows_out} out, {stage.num_dropped} dropped"
                )
        for before, after in zip(self.stages, self.stages[1:], strict=False):
            if before.rows_out != after.rows_in:
                yield (
                    f"{before.rows_out} rows left stage {before.name}, "
                    f"{after.rows_in} reached stage {after.name}"
                )
        counted = sum(language.num_samples for language in self.languages)
        if counted != self.num_samples:
            yield f"{self.num_samples} samples, {counted} over all languages"


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest whose accounts add up.

    Raises:
        DataError: If they don't.
    """
    _require_accounts(path, manifest)
    storage.write_json(path, to_dict(manifest))


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest whose accounts add up.

    Raises:
        DataError: If they don't.
        StorageError: If it can't be read.
    """
    manifest = from_dict(Manifest, storage.read_json(path))
    _require_accounts(path, manifest)
    return manifest


def _require_accounts(path: Path, manifest: Manifest) -> None:
    faults = list(manifest.faults())
    if faults:
        raise DataError(
            f"rows are unaccounted for in {path}",
            seen="; ".join(faults),
            fix="Build the corpus again; if that repeats it, report it as an error of the build.",
        )


@cache
def code_version() -> str:
    """Returns the package's version and a hash of its code, which works without git too."""
    digest = hashlib.sha256()
    root = Path(palo.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return f"{version('palo')}+{digest.hexdigest()[:12]}"
