"""Rows of one file of parallel text, with counts of what is left out and why."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

from palo import languages
from palo.corpus.parallel.checks import LanguageCheck, LengthCheck, fault_of
from palo.corpus.parallel.conversations import continuation_row, translation_row
from palo.corpus.parallel.lines import TextFault, TextFile, TextLine
from palo.corpus.parallel.settings import ParallelSettings

_MOST_REJECTED = 1000
_SHOWN = 200
_MOST_NAME = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class ParallelCounts:
    """What became of the lines of some parallel text.

    Attributes:
        num_lines: Lines, rows or units.
        pairs: Pairs of texts that are used, by their languages, such as en-ur.
        texts: Texts in one language that are used, by their language.
        faults: Pairs and texts that are left out, by reason.
        num_rows: Rows that were written.
    """

    num_lines: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    num_rows: int = 0

    def plus(self, other: "ParallelCounts") -> "ParallelCounts":
        """Returns the sum with other counts.

        Args:
            other: The other counts.
        """
        return ParallelCounts(
            num_lines=self.num_lines + other.num_lines,
            pairs=self.pairs + other.pairs,
            texts=self.texts + other.texts,
            faults=self.faults + other.faults,
            num_rows=self.num_rows + other.num_rows,
        )


class FileRows:
    """Makes the rows of one file.

    Args:
        settings: The parallel text.
        source: Name of the source.
        file: The file.
        rejected: Gets the first lines that are left out, as JSON values.
    """

    def __init__(
        self,
        settings: ParallelSettings,
        source: str,
        file: TextFile,
        rejected: list[dict[str, Any]],
    ) -> None:
        self._settings = settings
        self._source = source
        self._file = file
        self._rejected = rejected
        known = tuple(languages.every())
        self._language = LanguageCheck(file.name, known)
        self._length = LengthCheck(file.name, settings.min_length_correlation)
        self._pairs: Counter[str] = Counter()
        self._texts: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()

    def write(self, out: BinaryIO) -> ParallelCounts:
        """Writes the rows as JSON lines.

        Args:
            out: Where to.

        Raises:
            DataError: If the file can't be used as a whole.
            StorageError: If it can't be read.
        """
        num_lines = num_rows = 0
        for line in self._file.read():
            num_lines += 1
            for row in self._rows(line):
                out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                num_rows += 1
        self._language.finish()
        self._length.finish()
        return ParallelCounts(
            num_lines=num_lines,
            pairs=self._pairs,
            texts=self._texts,
            faults=self._faults,
            num_rows=num_rows,
        )

    def _rows(self, line: TextLine) -> Iterator[dict[str, Any]]:
        if line.fault is not None:
            self._reject(line, line.fault, line.detail)
            return
        for code, text in line.texts.items():
            self._language.look(code, text)
        pivot = self._settings.pivot
        if len(line.texts) == 1:
            ((code, text),) = line.texts.items()
            yield from self._text_rows(line, code, text)
        elif pivot not in line.texts:
            self._reject(line, TextFault.NO_PIVOT, ", ".join(line.texts))
        else:
            for code in line.texts:
                if code != pivot:
                    yield from self._pair_rows(line, code)

    def _pair_rows(self, line: TextLine, code: str) -> Iterator[dict[str, Any]]:
        pivot = self._settings.pivot
        source, target = line.texts[pivot], line.texts[code]
        if (fault := fault_of(source, target, self._settings.max_characters)) is not None:
            self._reject(line, *fault)
            return
        self._pairs[f"{pivot}-{code}"] += 1
        self._length.add((pivot, code), source, target)
        yield translation_row(self._id(line, f"{pivot}-{code}"), source, target, code)
        yield translation_row(self._id(line, f"{code}-{pivot}"), target, source, pivot)

    def _text_rows(self, line: TextLine, code: str, text: str) -> Iterator[dict[str, Any]]:
        longest = self._settings.max_characters
        if not text:
            self._reject(line, TextFault.EMPTY, "")
        elif len(text) > longest:
            self._reject(line, TextFault.TOO_LONG, f"{len(text):,} characters")
        elif (row := continuation_row(self._id(line, code), text, code)) is None:
            self._reject(line, TextFault.TOO_SHORT, text)
        else:
            self._texts[code] += 1
            yield row

    def _id(self, line: TextLine, direction: str) -> str:
        return f"{self._file.name[-_MOST_NAME:]}:{line.number}/{direction}"

    def _reject(self, line: TextLine, fault: TextFault, detail: str) -> None:
        self._faults[fault] += 1
        if len(self._rejected) < _MOST_REJECTED:
            texts = {
                code: text[:_SHOWN].encode(errors="replace").decode()
                for code, text in line.texts.items()
            }
            self._rejected.append(
                {
                    "source": self._source,
                    "file": self._file.name,
                    "line": line.number,
                    "reason": fault,
                    "detail": detail.encode(errors="replace").decode(),
                    "texts": texts,
                }
            )
