"""Parallel text in JSON, JSON lines and Parquet: a key or column for each language.

Either in the row itself, `{"en": "...", "ur": "..."}`, or below `translation` as the Hugging Face
data sets have it. A row of `text` and `language` is text in one language.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from palo import storage
from palo.corpus.parallel.lines import TextFault, TextLine, known_code
from palo.corpus.sources import read_split, split_source
from palo.data.bad_row import is_writable
from palo.data.row_language import LANGUAGE_KEYS
from palo.errors import DataError

_NESTED, _TEXT = "translation", "text"
_ONE_SPLIT = 1 << 62
_ROWS_PER_BATCH = 1024
_SHOWN = 80

_code = lru_cache(maxsize=4096)(known_code)


def read_json_rows(path: Path) -> Iterator[TextLine]:
    """Reads the rows of a JSON array or of JSON lines.

    Args:
        path: The file.

    Raises:
        DataError: If it is neither.
        StorageError: If it can't be read.
    """
    number = 0
    for split in split_source(path, split_bytes=_ONE_SPLIT):
        for raw in read_split(split):
            number += 1
            if raw.reason is not None:
                yield TextLine(number, fault=TextFault.TOO_LONG, detail=raw.reason)
                continue
            try:
                value = raw.value or json.loads(raw.data)
            except (ValueError, RecursionError) as error:
                detail = f"{error!s:.{_SHOWN}}"
                yield TextLine(number, fault=TextFault.NOT_A_ROW, detail=detail)
            else:
                yield _line(number, value)


def read_parquet_rows(path: Path) -> Iterator[TextLine]:
    """Reads the rows of a Parquet file; columns that hold no text aren't read.

    Args:
        path: The file.

    Raises:
        DataError: If no column is named after a language.
        StorageError: If it can't be read.
    """
    file = storage.open_parquet(path)
    names = file.schema_arrow.names
    wanted = [n for n in names if n in (_NESTED, _TEXT, *LANGUAGE_KEYS) or known_code(n)]
    if not wanted:
        raise DataError(
            f"{path} has no column that is named after a language",
            seen=", ".join(names)[:_SHOWN],
            fix="Name them en, ur and so on, or translation with fields of these names.",
        )
    number = 0
    with storage.wrap_os_errors("read", path):
        for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                yield _line(number, row)


def _line(number: int, row: object) -> TextLine:
    if not isinstance(row, Mapping):
        return TextLine(number, fault=TextFault.NOT_A_ROW, detail=type(row).__name__)
    nested = row.get(_NESTED)
    texts = {
        code: text or ""
        for key, text in (nested if isinstance(nested, Mapping) else row).items()
        if (text is None or isinstance(text, str)) and (code := _code(str(key))) is not None
    } or _plain_text(row)
    if not texts:
        detail = ", ".join(map(str, row))[:_SHOWN]
        return TextLine(number, fault=TextFault.NO_LANGUAGE, detail=f"it has {detail or 'no keys'}")
    if not all(map(is_writable, texts.values())):
        return TextLine(number, fault=TextFault.NOT_UTF8, detail="half a surrogate pair")
    return TextLine(number, {code: text.strip() for code, text in texts.items()})


def _plain_text(row: Mapping[str, Any]) -> dict[str, str]:
    text = row.get(_TEXT)
    said = next((row[key] for key in LANGUAGE_KEYS if row.get(key)), None)
    code = _code(said) if isinstance(said, str) else None
    return {code: text} if code is not None and isinstance(text, str) else {}
