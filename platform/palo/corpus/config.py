"""The configuration of a corpus, and lists of sources in TOML.

A list of sources has a table for each source, in their order:

    [mix665k]
    path = "llava_v1_5_mix665k.json"
    images = "images"
    language = "en"

Relative paths start from the folder of the list. This module loads nothing heavy.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from palo import languages, storage
from palo.config import from_dict
from palo.corpus.filter.mixture import MixtureSettings
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.errors import ConfigError
from palo.images.preprocessing import ImageLimits
from palo.text.encoding import EncodingLimits
from palo.text.templates import TEMPLATES

LIST_SUFFIX = ".toml"
IMAGES_PER_SHARD = 64
"""Images of one file of an image store, if nothing else is said."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHOWN = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceConfig:
    """Conversations in LLaVA's format, with the folder or archive of their images.

    Attributes:
        name: Short name; it appears in sample ids, counts and file names.
        path: JSON array, JSON lines, a table (.csv, .tsv) or Parquet, the text ones perhaps
            compressed (.gz); a folder of such files, or a pattern that names
            some (shards/*.jsonl), is read in the order of their paths.
        images: Folder that the rows' image paths start from, or a zip or uncompressed tar of
            it, which is read in place; None for text only, or where Parquet files hold them.
        allowed_hosts: Web servers, and buckets of S3, that rows may name images on by http://,
            https:// and s3:// URIs: images.example.org, with its port if it isn't the usual one.
            A private address must be listed itself, not by a name.
        language: ISO 639-1 code of rows that don't name theirs.
        licence: Licence of the rows, kept with each record.
        image_place: Where an image without `<image>` goes: before the first question (first); or
            nowhere (marked), and its row is bad.
        format: auto looks at the first bytes.
    """

    name: str
    path: Path
    images: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    language: str | None = None
    licence: str = ""
    image_place: Literal["first", "marked"] = "first"
    format: Literal["auto", "json", "jsonl", "parquet", "table", "coco"] = "auto"

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if not _NAME.fullmatch(self.name):
            yield f"name must be of lower-case letters, digits and ._-, not {self.name!r}"
        if self.language is not None and not languages.known(self.language):
            yield f"language {self.language!r} is not one of {', '.join(languages.codes())}"
        for host in self.allowed_hosts:
            if not host or set(host) & set("/@ ") or host != host.lower():
                yield f"allowed_hosts has {host!r}; name a server like images.example.org"


@dataclass(frozen=True, kw_only=True, slots=True)
class CleaningSettings:
    """How records are cleaned, and which are dropped.

    Attributes:
        normal_form: Normalize every turn: composed characters, LF, no residue of scraping or
            translation. Off for the exact text of LLaVA.
        other_language: Drop, or keep and count, records whose answers are mostly in another
            language than declared; off doesn't check.
        duplicates: Of records with the same language, image and turns, keep only the first (drop)
            or all (keep).
        near_duplicates: Similarity of texts, from 0.5 to 1, from which on only the first of
            records with the same language and image is kept; None doesn't check.
    """

    normal_form: bool = True
    other_language: Literal["drop", "keep", "off"] = "drop"
    duplicates: Literal["drop", "keep"] = "drop"
    near_duplicates: float | None = None

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if self.near_duplicates is not None and not 0.5 <= self.near_duplicates <= 1:
            yield f"near_duplicates must be from 0.5 to 1, not {self.near_duplicates}"


AS_IT_IS = CleaningSettings(normal_form=False, other_language="off", duplicates="keep")
"""No cleaning: what LLaVA's own scripts would train on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusConfig:
    """How to build a corpus.

    Attributes:
        sources: Where the rows come from; samples keep this order.
        output: Folder of the corpus.
        tokenizer: Folder of the tokenizer.
        tower: Folder of the image tower, a Hugging Face vision model.
        template: Name of the conversation template.
        limits: Length of samples, and what happens beyond it.
        image_size: Side of the tower's input in pixels; None for the tower's own.
        aspect: pad or crop; see `Preprocessing`.
        feature_layer: Which of the tower's hidden states is kept.
        store: Keep the tower's features, or the pixels that it would see.
        feature_dtype: Element type of stored features.
        image_store: Folder of an image store to share with other corpora; None keeps one in
            `output`, or in `image_stores`.
        image_stores: Folder of image stores, each named after what it holds: all corpora with one
            tower and aspect share one.
        image_limits: The limits of one image file's size.
        cleaning: How records are cleaned, and which are dropped.
        mixture: Which of the records the corpus is made of.
        max_bad_share: Largest share of bad rows; a build with more stops.
        encoders: The processes that run the tower.
        images_per_shard: Images of one file of the image store. The tower gets them in batches of
            at most that many.
    """

    sources: tuple[SourceConfig, ...]
    output: Path
    tokenizer: Path
    tower: Path
    template: str = "vicuna_v1"
    limits: EncodingLimits = field(default_factory=lambda: EncodingLimits(max_text_tokens=1472))
    image_size: int | None = None
    aspect: Literal["pad", "crop"] = "pad"
    feature_layer: int = -2
    store: Literal["features", "pixels"] = "features"
    feature_dtype: Literal["bf16", "fp16", "fp32"] = "bf16"
    image_store: Path | None = None
    image_stores: Path | None = None
    image_limits: ImageLimits = field(default_factory=ImageLimits)
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    mixture: MixtureSettings = field(default_factory=MixtureSettings)
    max_bad_share: float = 0.02
    encoders: EncoderSettings = field(default_factory=EncoderSettings)
    images_per_shard: int = IMAGES_PER_SHARD

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if not self.sources:
            yield "sources must name at least one source"
        names = Counter(source.name for source in self.sources)
        yield from (f"sources has the name {n!r} twice" for n, count in names.items() if count > 1)
        for name in self.mixture.per_source.keys() - names.keys():
            yield f"mixture.per_source has {name!r}, which is no source"
        if self.template not in TEMPLATES:
            yield f"template must be one of {', '.join(TEMPLATES)}, not {self.template!r}"
        if not 0 <= self.max_bad_share <= 1:
            yield f"max_bad_share must be from 0 to 1, not {self.max_bad_share}"
        if self.images_per_shard < 1:
            yield f"images_per_shard must be at least 1, not {self.images_per_shard}"
        if self.image_store is not None and self.image_stores is not None:
            yield "image_store and image_stores name the store twice"

    @property
    def store_folder(self) -> Path:
        """Folder of the image store."""
        return self.output / "images" if self.image_store is None else self.image_store


def read_source_list(path: Path) -> tuple[SourceConfig, ...]:
    """Reads a list of sources.

    Args:
        path: The TOML file.

    Raises:
        ConfigError: If it is no TOML, names no source, or one of them is written wrong.
        StorageError: If it can't be read.
    """
    tables = storage.read_toml(path)
    loose = [name for name, table in tables.items() if not isinstance(table, dict)]
    if loose or not tables:
        raise ConfigError(
            f"{path} has no table for each source",
            seen=", ".join(loose)[:_SHOWN] or "nothing",
            fix='A source is written as [name], with path = "..." below it.',
        )
    return tuple(_source(name, table, path.parent) for name, table in tables.items())


def _source(name: str, table: dict[str, object], folder: Path) -> SourceConfig:
    try:
        values = table | {"name": name}
        for key in ("path", "images"):
            if isinstance(value := table.get(key), str):
                values[key] = str(placed(value, folder))
        return from_dict(SourceConfig, values)
    except ConfigError as error:
        raise ConfigError(f"source {name}: {error.fact}", seen=error.seen, fix=error.fix) from error


def placed(text: str, folder: Path) -> Path:
    """Returns a path that a list of sources names, which starts from the list's folder.

    Args:
        text: The path as it is written.
        folder: The list's folder.
    """
    path = storage.path_of(text)
    return path if isinstance(path, storage.S3Path) or path.is_absolute() else folder / path
