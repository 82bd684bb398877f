"""The finished translations of a job."""

import hashlib
from pathlib import Path
from typing import Self

import orjson

from palo.data.records import Record
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
        self._file = LineFile(path)
        self._places: dict[str, tuple[int, str]] = {}
        for place, values in self._file.rows():
            made = from_row(values)
            self._places[made.key] = place, _words_of(made.source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def __len__(self) -> int:
        return len(self._places)

    def has(self, record: Record, language: str) -> bool:
        """Returns whether a conversation is translated, with its present text.

        Args:
            record: The conversation.
            language: ISO 639-1 code of the target language.
        """
        found = self._places.get(f"{record.record_id}>{language}")
        return found is not None and found[1] == _words_of(record)

    def add(self, made: Translated) -> None:
        """Adds a conversation that is done.

        Args:
            made: The translation.
        """
        place = self._file.append(to_row(made))
        self._places[made.key] = place, _words_of(made.source)

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
