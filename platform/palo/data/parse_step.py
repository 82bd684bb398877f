"""First steps of a build: from a piece of a source to checked records, and those cleaned."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo.data.clean_step import Cleaner
from palo.data.cleaning import CleaningSettings
from palo.data.quarantine import Quarantine, RowFiles, SourceFile
from palo.data.reasons import Reason
from palo.data.record_tables import record_table
from palo.data.records import Origin, Record, Rejected, parse_llava
from palo.data.sources import Piece, RawRow, read_piece
from palo.languages import Language


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
    piece: Piece
    origin: Origin
    cleaning: CleaningSettings
    known: tuple[Language, ...]


def parse_piece(task: ParseTask) -> dict[str, Any]:
    """Writes a piece's records and its quarantine.

    Returns:
        rows; parsed and records, what was left of them after each step; parse_drops and clean_drops
        by reason and language; counts of the cleaning by language; files with records; example of
        a bad row.
    """
    files = RowFiles(task.corpus / "records", f"{task.source.number:03d}", record_table)
    bad = {step: Quarantine(task.corpus, step, task.source) for step in ("parse", "clean")}
    cleaner = Cleaner(task.cleaning, task.known)
    num_rows = num_parsed = num_records = 0
    for raw in read_piece(task.piece):
        num_rows += 1
        step, outcome = "parse", parse_row(raw, task.origin)
        if isinstance(outcome, Record):
            num_parsed += 1
            step, outcome = "clean", cleaner.clean(outcome)
        if isinstance(outcome, Record):
            num_records += 1
            files.add(raw.offset, outcome, len(raw.data))
        else:
            text = raw.data.decode(errors="replace")
            bad[step].add(raw.offset, outcome.reason, outcome.detail, outcome.language, text)
    files.flush()
    for quarantine in bad.values():
        quarantine.flush()
    return {
        "rows": num_rows,
        "parsed": num_parsed,
        "records": num_records,
        "parse_drops": bad["parse"].counts,
        "clean_drops": bad["clean"].counts,
        "counts": cleaner.counts,
        "files": files.names,
        "example": bad["parse"].example or bad["clean"].example,
    }


def parse_row(raw: RawRow, origin: Origin) -> Record | Rejected:
    """Makes a record of a row's bytes, or says why there is none."""
    if raw.reason is not None:
        return Rejected(reason=raw.reason)
    if raw.value is not None:
        return parse_llava(raw.value, origin, str(raw.offset))
    try:
        row = json.loads(raw.data.decode())
    except UnicodeDecodeError as error:
        detail = f"byte 0x{raw.data[error.start]:02x} at {raw.offset + error.start}"
        return Rejected(reason=Reason.NOT_UTF8, detail=detail)
    except (json.JSONDecodeError, RecursionError) as error:
        return Rejected(reason=Reason.NOT_JSON, detail=str(error)[:200])
    except ValueError as error:  # a number with thousands of digits
        return Rejected(reason=Reason.NOT_JSON, detail=str(error)[:200])
    return parse_llava(row, origin, str(raw.offset))
