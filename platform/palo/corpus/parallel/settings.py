"""Where parallel text comes from, and lists of its sources in TOML.

A list has a table for each source, in their order:

    [opus]
    path = "opus/en-ur.tsv.gz"
    licence = "CC-BY-4.0"

    [flores]
    files = { en = "eng_Latn.dev", ur = "urd_Arab.dev" }

Relative paths start from the folder of the list.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.config import check, from_dict
from palo.corpus.config import LIST_SUFFIX, placed
from palo.corpus.filter.mixture import MixtureSettings
from palo.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_ONLY = "parallel"


@dataclass(frozen=True, kw_only=True, slots=True)
class ParallelSource:
    """One source of parallel text: sentences in two languages or more, a line or row each.

    Attributes:
        name: Short name; it appears in sample ids, counts and file names.
        path: A file (.tsv, .csv, .jsonl, .json, .parquet, .tmx, perhaps .gz), a folder of such
            files, or aligned text files, which are named by their language: the folder that they
            are in, or what comes before the language (opus/train for train.en and train.ur).
        files: Aligned text files by language, in place of `path`.
        languages: Languages of the columns of a table without a line that names them.
        licence: Licence of the text, kept with each record.
    """

    name: str
    path: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    licence: str = ""

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if not _NAME.fullmatch(self.name):
            yield f"name must be of lower-case letters, digits and ._-, not {self.name!r}"
        if (self.path is None) == (not self.files):
            yield f"{self.name} must have either path or files"
        yield from _unknown("languages", self.languages)
        yield from _unknown("files", self.files)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParallelSettings:
    """The text of an alignment stage.

    A line in several languages becomes translations between the pivot and each of the others, both
    ways. A source in one language alone becomes texts to go on with.

    Attributes:
        path: See `ParallelSource.path`; or a list of sources, a .toml file.
        languages: Languages of the columns of a table without a line that names them.
        pivot: Language that all others are translated from and into.
        max_characters: Longest text; a pair with a longer one is left out.
        max_bad_share: Largest share of pairs that may be left out.
        min_length_correlation: Least correlation between the lengths of a source's two sides, of
            which unaligned files have none; -1 doesn't check.
        mixture: Which of the records the corpus is made of, by the language of the answer.
        expected_pairs: Pairs that a dry run assumes before the corpus is built.
        expected_languages: Languages that it assumes then; all if there are none.
    """

    path: Path
    languages: tuple[str, ...] = ()
    pivot: str = "en"
    max_characters: int = 2000
    max_bad_share: float = 0.2
    min_length_correlation: float = 0.3
    mixture: MixtureSettings = field(default_factory=MixtureSettings)
    expected_pairs: int | None = None
    expected_languages: tuple[str, ...] = ()

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        yield from _unknown("languages", self.languages)
        yield from _unknown("expected_languages", self.expected_languages)
        yield from _unknown("pivot", (self.pivot,))
        if self.max_characters < 1:
            yield f"max_characters is {self.max_characters} but must be at least 1"
        if not 0 <= self.max_bad_share <= 1:
            yield f"max_bad_share is {self.max_bad_share} but must be from 0 to 1"
        if not -1 <= self.min_length_correlation < 1:
            yield (
                f"min_length_correlation is {self.min_length_correlation} but must be from -1 "
                "up to but not 1"
            )

    @property
    def sources(self) -> tuple[ParallelSource, ...]:
        """The sources; a list of them is read.

        Raises:
            ConfigError: If the list is wrong.
            StorageError: If it can't be read.
        """
        if self.path.suffix == LIST_SUFFIX:
            return _listed(self.path)
        return (ParallelSource(name=_ONLY, path=self.path, languages=self.languages),)


def _unknown(name: str, codes: tuple[str, ...] | Mapping[str, Path]) -> Iterator[str]:
    for code in codes:
        if not languages.known(code):
            yield f"{name} has {code!r}, not one of {', '.join(languages.codes())}"


def _listed(path: Path) -> tuple[ParallelSource, ...]:
    tables = storage.read_toml(path)
    if not tables or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(
            f"{path} has no table for each source of parallel text",
            seen=", ".join(n for n, table in tables.items() if not isinstance(table, dict)),
            fix='A source is written as [name], with path = "..." below it.',
        )
    return tuple(_source(name, table, path.parent) for name, table in tables.items())


def _source(name: str, table: dict[str, Any], folder: Path) -> ParallelSource:
    values = {**table, "name": name}
    files = values.pop("files", {})
    if not isinstance(files, dict) or not all(isinstance(one, str) for one in files.values()):
        raise ConfigError(
            f"source {name}: files must name a file for each language",
            seen=f"{files!r:.200}",
            fix='Write files = { en = "a.en", ur = "a.ur" }.',
        )
    if isinstance(found := values.get("path"), str):
        values["path"] = str(placed(found, folder))
    try:
        source = from_dict(ParallelSource, values)
        whole = ParallelSource(
            name=source.name,
            path=source.path,
            files={code: placed(one, folder) for code, one in files.items()},
            languages=source.languages,
            licence=source.licence,
        )
        check(whole)
    except ConfigError as error:
        raise ConfigError(f"source {name}: {error.fact}", seen=error.seen, fix=error.fix) from error
    return whole
