"""The source of a translation job: conversations that are read repeatedly, in the same order."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from palo import languages
from palo.corpus.parse.worker import parse_row
from palo.corpus.sources import read_split, split_source
from palo.data.records import Origin, Record

_IMAGE_FOLDER = "."


class Conversations(Protocol):
    """Conversations that are read repeatedly, in the same order.

    Attributes:
        is_corpus: Whether their translations become sources of a corpus.
    """

    is_corpus: bool

    @property
    def name(self) -> str:
        """Short name; it appears in the ids of records."""
        ...

    @property
    def licence(self) -> str:
        """Their licence."""
        ...

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Servers that rows may name images on."""
        ...

    def records(
        self, on_bad: Callable[[str, str], None] = lambda reason, detail: None
    ) -> Iterator[Record]:
        """Yields the conversations.

        Args:
            on_bad: Receives reason and detail of each row that is no conversation.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """Conversations to translate.

    Attributes:
        path: LLaVA's format as JSON array, JSON lines or Parquet; a folder of such files, or a
            pattern that names some.
        name: Short name; it appears in the ids of records.
        language: ISO 639-1 code of rows that don't name theirs.
        licence: Licence of the rows, kept with each record.
        allowed_hosts: Servers that rows may name images on.
    """

    path: Path
    name: str
    language: str = "en"
    licence: str = ""
    allowed_hosts: tuple[str, ...] = ()

    is_corpus = True

    def records(
        self, on_bad: Callable[[str, str], None] = lambda reason, detail: None
    ) -> Iterator[Record]:
        """Yields the conversations; images keep the paths that the rows have.

        Args:
            on_bad: Receives reason and detail of each row that is no conversation.

        Raises:
            DataError: If the source can't be used as a whole.
            StorageError: If it can't be read.
        """
        origin = Origin(
            source=self.name,
            licence=self.licence,
            language=self.language,
            image_folder=_IMAGE_FOLDER,
            allowed_hosts=self.allowed_hosts,
            languages=languages.codes(),
            known=tuple(languages.every()),
        )
        for split in split_source(self.path, split_bytes=sys.maxsize):
            for raw in read_split(split):
                found = parse_row(raw, origin, split.row_offset(raw.offset))
                if isinstance(found, Record):
                    yield found
                else:
                    on_bad(found.reason, found.detail)


def own_path(image: str | None) -> str | None:
    """Returns an image's path as its row had it.

    Args:
        image: The path in a record that `Source` gave.
    """
    return None if image is None else image.removeprefix(f"{_IMAGE_FOLDER}/")


@dataclass(kw_only=True, slots=True)
class Counted:
    """The size of a source.

    Attributes:
        records: Conversations by the ISO 639-1 code of their language.
        bad: Rows that are none, by reason.
        examples: What was seen of the first of these rows, by reason.
    """

    records: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def pairs(self, codes: Sequence[str]) -> int:
        """Returns how many translations there will be into some languages.

        Args:
            codes: ISO 639-1 codes of the target languages.
        """
        return sum(self.records.total() - self.records[code] for code in codes)


def count(source: Conversations) -> Counted:
    """Counts the conversations of a source.

    Args:
        source: The conversations.
    """
    counted = Counted()

    def on_bad(reason: str, detail: str) -> None:
        counted.bad[reason] += 1
        counted.examples.setdefault(reason, detail)

    counted.records.update(record.language for record in source.records(on_bad))
    return counted
