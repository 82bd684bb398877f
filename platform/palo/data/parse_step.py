"""First step of a build: from a piece of a source to checked records."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo.data.quarantine import Quarantine, RowFiles, SourceFile
from palo.data.reasons import Reason
from palo.data.records import RECORD_SCHEMA, Origin, Record, Rejected, parse_llava
from palo.data.sources import Piece, RawRow, read_piece


@dataclass(frozen=True, kw_only=True, slots=True)
class ParseTask:
    """One piece to parse.

    Attributes:
        corpus: Folder of the corpus.
        source: The source.
        piece: The piece.
        origin: What the source's rows have in common.
    """

    corpus: Path
    source: SourceFile
    piece: Piece
    origin: Origin


def parse_piece(task: ParseTask) -> dict[str, Any]:
    """Writes a piece's records and its quarantine.

    Returns:
        rows, records, dropped by reason and language, files with records, example of a bad row.
    """
    files = RowFiles(task.corpus / "records", f"{task.source.number:03d}", RECORD_SCHEMA)
    quarantine = Quarantine(task.corpus, "parse", task.source)
    num_rows = num_records = 0
    for raw in read_piece(task.piece):
        num_rows += 1
        outcome = parse_row(raw, task.origin)
        if isinstance(outcome, Record):
            num_records += 1
            files.add(raw.offset, outcome.to_row(), len(raw.data))
        else:
            text = raw.data.decode(errors="replace")
            quarantine.add(raw.offset, outcome.reason, outcome.detail, outcome.language, text)
    files.flush()
    quarantine.flush()
    return {
        "rows": num_rows,
        "records": num_records,
        "dropped": quarantine.counts,
        "files": files.names,
        "example": quarantine.example,
    }


def parse_row(raw: RawRow, origin: Origin) -> Record | Rejected:
    """Makes a record of a row's bytes, or says why there is none."""
    if raw.reason is not None:
        return Rejected(reason=raw.reason)
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
