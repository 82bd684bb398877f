"""Worker of the parse stage: the rows of a split to checked and cleaned records."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from palo.corpus.config import CleaningSettings
from palo.corpus.parse.cleaner import Cleaner
from palo.corpus.parse.record_files import FiledRecord, RecordFile, digest_of, file_table
from palo.corpus.quarantine import Quarantine, RowFiles, SourceFile
from palo.corpus.ray_tasks import Work
from palo.corpus.sources import RawRow, Split, SplitBoundary, read_split
from palo.corpus.sources import rows as byte_limits
from palo.corpus.sources.rows_hash import RowsHash
from palo.data.records import Origin, Record, Rejected, parse_llava
from palo.languages import Language
from palo.reasons import Reason

_TOO_LONG = (Reason.TURN_TOO_LONG, Reason.TOO_LONG)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParseTask:
    """One split to parse.

    Attributes:
        corpus: Folder of the corpus.
        source: The source.
        split: The split.
        origin: The properties that the source's rows share.
        cleaning: How the records are cleaned.
        known: The languages that they may be in.
    """

    corpus: Path
    source: SourceFile
    split: Split
    origin: Origin
    cleaning: CleaningSettings
    known: tuple[Language, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ParseResult:
    """What a parse task counted.

    Attributes:
        num_rows: Rows of the split.
        num_parsed: Rows that are records.
        num_records: Records that are left after cleaning.
        parse_drops: Rows dropped in parsing, by reason and language.
        clean_drops: Records dropped in cleaning, by reason and language.
        counts: Counts of the cleaning, by language.
        files: The files of records.
        sha256: SHA-256 of the rows and their offsets.
        boundary: Where the rows of the split begin and end.
        example: A bad row, in words.
    """

    num_rows: int
    num_parsed: int
    num_records: int
    parse_drops: Mapping[str, Mapping[str, int]]
    clean_drops: Mapping[str, Mapping[str, int]]
    counts: Mapping[str, Mapping[str, int]]
    files: tuple[RecordFile, ...]
    sha256: str
    boundary: SplitBoundary
    example: str


def parse_split(task: ParseTask) -> Work[ParseResult]:
    """Writes a split's records and its quarantine.

    Args:
        task: The split, and how its rows are parsed.

    Returns:
        The counts of what was done, and the files that were written.

    Raises:
        DataError: If the source can't be used as a whole.
        StorageError: If a file can't be read or written.
    """
    records = _Records(task.corpus, task.source)
    bad = {step: Quarantine(task.corpus, step, task.source) for step in ("parse", "clean")}
    cleaner = Cleaner(task.cleaning, task.known)
    num_rows = num_parsed = 0
    read = RowsHash()
    reader = read_split(task.split)
    for raw in reader:
        num_rows += 1
        row_offset = task.split.row_offset(raw.offset)
        read.add(row_offset, raw.data)
        step, outcome = "parse", parse_row(raw, task.origin, row_offset)
        if isinstance(outcome, Record):
            num_parsed += 1
            step, outcome = "clean", cleaner.clean(outcome)
        if isinstance(outcome, Record):
            records.add(row_offset, outcome, len(raw.data))
        else:
            # A row that is far too long is no text for people to repair.
            kept = byte_limits.KEPT_BYTES if outcome.reason in _TOO_LONG else None
            text = raw.data[:kept].decode(errors="replace")
            bad[step].add(row_offset, outcome.reason, outcome.detail, outcome.language, text)
    records.flush()
    for quarantine in bad.values():
        quarantine.flush()
    result = ParseResult(
        num_rows=num_rows,
        num_parsed=num_parsed,
        num_records=sum(file.num_rows for file in records.files),
        parse_drops=bad["parse"].counts,
        clean_drops=bad["clean"].counts,
        counts=cleaner.counts,
        files=tuple(records.files),
        sha256=read.hexdigest(),
        boundary=reader.boundary,
        example=bad["parse"].example or bad["clean"].example,
    )
    written = [file.name for file in records.files]
    return Work(result, written + bad["parse"].names + bad["clean"].names)


class _Records:
    """Writes files of records, each with a digest of all that later stages read of it."""

    def __init__(self, corpus: Path, source: SourceFile) -> None:
        self.files: list[RecordFile] = []
        self._out = RowFiles(corpus, f"records/{source.name}", file_table)
        self._start_file()

    def _start_file(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._num_records = 0

    def add(self, row_offset: int, record: Record, num_bytes: int) -> None:
        digest = digest_of(record.language, record.turns, record.system)
        self._hash.update(f"{record.record_id}\n{record.image}\n".encode() + digest)
        self._num_records += 1
        if self._out.add(row_offset, FiledRecord(record, row_offset, digest), num_bytes):
            self._end_file()

    def _end_file(self) -> None:
        self.files.append(
            RecordFile(
                name=self._out.names[-1],
                num_rows=self._num_records,
                digest=self._hash.hexdigest(),
            )
        )
        self._start_file()

    def flush(self) -> None:
        if self._num_records:
            self._out.flush()
            self._end_file()


def parse_row(raw: RawRow, origin: Origin, row_offset: int) -> Record | Rejected:
    """Makes a record of a row's bytes.

    Args:
        raw: The row.
        origin: The properties that the rows of its source share.
        row_offset: Its offset in the source, from `Split.row_offset`.

    Returns:
        The record, or the reason why there is none.
    """
    if raw.reason is not None:
        return Rejected(reason=raw.reason)
    if raw.value is not None:
        return parse_llava(raw.value, origin, str(row_offset))
    try:
        row = json.loads(raw.data.decode())
    except UnicodeDecodeError as error:
        detail = f"byte 0x{raw.data[error.start]:02x} at {raw.offset + error.start}"
        return Rejected(reason=Reason.NOT_UTF8, detail=detail)
    except (json.JSONDecodeError, RecursionError) as error:
        return Rejected(reason=Reason.NOT_JSON, detail=str(error)[:200])
    except ValueError as error:  # a number with thousands of digits
        return Rejected(reason=Reason.NOT_JSON, detail=str(error)[:200])
    return parse_llava(row, origin, str(row_offset))
