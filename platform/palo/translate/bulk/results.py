"""The finished translations of a job."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import orjson

from palo.data.records import Record
from palo.errors import MismatchError
from palo.storage import LineFile
from palo.translate.translated import Translated, from_row, to_row


class Results:
    """A file with one line for each conversation and language that is done. Use it as a context.

    Args:
        path: The file; it need not exist.

    Raises:
        DataError: If it was changed by hand.
        StorageError: If it can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = LineFile(path)
        self._places: dict[str, tuple[int, str, str]] = {}
        for place, values in self._file.rows():
            self._learn(place, from_row(values))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def count(self, settings_hash: str) -> int:
        """Returns how many conversations are done.

        Args:
            settings_hash: Names the present settings, see `has`.
        """
        return sum(under in ("", settings_hash) for _, _, under in self._places.values())

    def require_any_of(self, records: Iterable[Record]) -> None:
        """Refuses a source that has no conversation, wherever it stood, of those that are done.

        Its outputs would take the place of those of the source before it.

        Args:
            records: The conversations of the source.

        Raises:
            MismatchError: If translations of other conversations alone are here.
        """
        done = {words for _, words, _ in self._places.values()}
        if done and not any(_words_of(record) in done for record in records):
            raise MismatchError(
                "this folder holds translations of another source",
                seen=self._path.parent,
                fix="Name a folder for this one with --output.",
            )

    def has(self, record: Record, language: str, settings_hash: str | None = None) -> bool:
        """Returns whether a conversation is done, with its present text.

        Args:
            record: The conversation.
            language: ISO 639-1 code of the target language.
            settings_hash: Names the present settings: what got no answer of use under others isn't
                done. None for any settings.
        """
        found = self._places.get(f"{record.record_id}>{language}")
        if found is None or found[1] != _words_of(record):
            return False
        return settings_hash is None or found[2] in ("", settings_hash)

    def add(self, made: Translated) -> None:
        """Adds a conversation that is done.

        Args:
            made: The translation.
        """
        self._learn(self._file.append(to_row(made)), made)

    def _learn(self, place: int, made: Translated) -> None:
        # Versions before this one didn't name the settings of what got no answer of use.
        under = made.faulty_under or ("unknown" if made.is_without_answer else "")
        self._places[made.key] = place, _words_of(made.source), under

    def find(self, record: Record, language: str) -> Translated | None:
        """Returns the translation of a conversation; None if there is none.

        Args:
            record: The conversation.
            language: ISO 639-1 code of the target language.
        """
        if not self.has(record, language):
            return None
        return from_row(self._file.read(self._places[f"{record.record_id}>{language}"][0]))


def _words_of(record: Record) -> str:
    words = [[turn.role, turn.text, turn.num_images] for turn in record.turns]
    return hashlib.sha256(orjson.dumps(words)).hexdigest()[:16]
