"""First steps of a build: from a piece of a source to checked records, and those cleaned."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from palo.corpus.cleaning import CleaningSettings
from palo.corpus.parse.cleaner import Cleaner
from palo.corpus.parse.duplicates import digest_of
from palo.corpus.quarantine import Quarantine, RowFiles, SourceFile
from palo.corpus.ray_tasks import Work
from palo.corpus.record_tables import FiledRecord, file_table
from palo.corpus.sources import RawRow, Split, read_split
from palo.corpus.sources import rows as pieces
from palo.data.records import Origin, Record, Rejected, parse_llava
from palo.languages import Language
from palo.reasons import Reason

_TOO_LONG = (Reason.TURN_TOO_LONG, Reason.TOO_LONG)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParseTask:
    """One piece to parse.

    Attributes:
        corpus: Folder of the corpus.
        source: The source.
        piece: The piece.
        origin: What the source's rows have in common.
        cleaning: How the records are cleaned.
        known: The languages that they may be in.
    """

    corpus: Path
    source: SourceFile
    piece: Split
    origin: Origin
    cleaning: CleaningSettings
    known: tuple[Language, ...]


def parse_split(task: ParseTask) -> Work:
    """Writes a piece's records and its quarantine.

    Returns:
        rows; parsed and records, what was left of them after each step; parse_drops and clean_drops
        by reason and language; counts of the cleaning by language; files with records, each with
        its number of rows and a digest; sha256 of the rows; handover to the neighbouring pieces;
        example of a bad row.
    """
    records = _Records(task.corpus, task.source)
    bad = {step: Quarantine(task.corpus, step, task.source) for step in ("parse", "clean")}
    cleaner = Cleaner(task.cleaning, task.known)
    num_rows = num_parsed = 0
    read = hashlib.sha256()
    reader = read_split(task.piece)
    for raw in reader:
        num_rows += 1
        place = task.piece.place_of(raw.offset)
        read.update(b"%d %d\n" % (place, len(raw.data)))
        read.update(raw.data)
        step, outcome = "parse", parse_row(raw, task.origin, place)
        if isinstance(outcome, Record):
            num_parsed += 1
            step, outcome = "clean", cleaner.clean(outcome)
        if isinstance(outcome, Record):
            records.add(place, outcome, len(raw.data))
        else:
            # What is far too long is no text for people to repair.
            kept = pieces.KEPT_BYTES if outcome.reason in _TOO_LONG else None
            text = raw.data[:kept].decode(errors="replace")
            bad[step].add(place, outcome.reason, outcome.detail, outcome.language, text)
    records.flush()
    for quarantine in bad.values():
        quarantine.flush()
    result = {
        "rows": num_rows,
        "parsed": num_parsed,
        "records": sum(num_records for _, num_records, _ in records.files),
        "parse_drops": bad["parse"].counts,
        "clean_drops": bad["clean"].counts,
        "counts": cleaner.counts,
        "files": records.files,
        "sha256": read.hexdigest(),
        "handover": reader.handover,
        "example": bad["parse"].example or bad["clean"].example,
    }
    written = [name for name, _, _ in records.files]
    return Work(result, written + bad["parse"].names + bad["clean"].names)


class _Records:
    """Files of records, each with a digest of what later steps make of them."""

    def __init__(self, corpus: Path, source: SourceFile) -> None:
        self.files: list[tuple[str, int, str]] = []
        self._out = RowFiles(corpus, f"records/{source.name}", file_table)
        self._start_file()

    def _start_file(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._num_records = 0

    def add(self, place: int, record: Record, num_bytes: int) -> None:
        digest = digest_of(record.language, record.turns)
        self._hash.update(f"{record.record_id}\n{record.image}\n".encode() + digest)
        self._num_records += 1
        if self._out.add(place, FiledRecord(record, place, digest), num_bytes):
            self._end_file()

    def _end_file(self) -> None:
        self.files.append((self._out.names[-1], self._num_records, self._hash.hexdigest()))
        self._start_file()

    def flush(self) -> None:
        if self._num_records:
            self._out.flush()
            self._end_file()


def parse_row(raw: RawRow, origin: Origin, place: int) -> Record | Rejected:
    """Makes a record of a row's bytes, or says why there is none.

    Args:
        raw: The row.
        origin: What the rows of its source have in common.
        place: Where in the source it is.
    """
    if raw.reason is not None:
        return Rejected(reason=raw.reason)
    if raw.value is not None:
        return parse_llava(raw.value, origin, str(place))
    try:
        row = json.loads(raw.data.decode())
    except UnicodeDecodeError as error:
        detail = f"byte 0x{raw.data[error.start]:02x} at {raw.offset + error.start}"
        return Rejected(reason=Reason.NOT_UTF8, detail=detail)
    except (json.JSONDecodeError, RecursionError) as error:
        return Rejected(reason=Reason.NOT_JSON, detail=str(error)[:200])
    except ValueError as error:  # a number with thousands of digits
        return Rejected(reason=Reason.NOT_JSON, detail=str(error)[:200])
    return parse_llava(row, origin, str(place))
