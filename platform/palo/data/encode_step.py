"""Third step of a build: from records and the pictures' ids to samples."""

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from palo.data.quarantine import Quarantine, SourceFile
from palo.data.reasons import Reason
from palo.data.records import Record, record_of
from palo.data.samples import write_samples
from palo.text.encoding import (
    IMAGE_SENTINEL,
    EncodedSample,
    EncodingLimits,
    encode_conversation,
    misfit,
)
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer, load_tokenizer

_tokenizer = lru_cache(maxsize=2)(load_tokenizer)


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeTask:
    """One file of records to encode.

    Attributes:
        corpus: Folder of the corpus.
        name: The file; the samples' file has the same name.
        source: The source that it came from.
        template: Name of the template.
        tokenizer: Folder of the tokenizer.
        limits: Length of samples.
    """

    corpus: Path
    name: str
    source: SourceFile
    template: str
    tokenizer: Path
    limits: EncodingLimits


def encode_records(task: EncodeTask) -> dict[str, Any]:
    """Writes the samples of one file of records, and its quarantine.

    Returns:
        name; records; image_drops and encode_drops by reason and language; counts by language;
        digest of the samples; example of a bad record.
    """
    table = pq.read_table(task.corpus / "records" / task.name)
    pictures = _pictures(task.corpus, table.column("image").unique().drop_null().to_pylist())
    step = _EncodeStep(task, pictures)
    for row in table.to_pylist():
        step.add(record_of(row))
    return step.finish(len(table))


class _Picture(NamedTuple):
    image_id: str | None
    reason: str | None
    detail: str


_NO_PICTURE = _Picture(None, None, "")


def _pictures(corpus: Path, paths: list[str]) -> dict[str | None, _Picture]:
    """Returns what is known of these pictures, and of none."""
    found: dict[str | None, _Picture] = {None: _NO_PICTURE}
    if paths:
        table = pq.read_table(corpus / "pictures.parquet", filters=[("path", "in", paths)])
        for row in table.to_pylist():
            found[row["path"]] = _Picture(row["image_id"], row["reason"], row["detail"])
    return found


class _EncodeStep:
    def __init__(self, task: EncodeTask, pictures: dict[str | None, _Picture]) -> None:
        self._task = task
        self._pictures = pictures
        self._tokenizer: TextTokenizer = _tokenizer(task.tokenizer)
        self._rows: list[dict[str, object]] = []
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._digest = hashlib.sha256()
        self._bad = {
            step: Quarantine(task.corpus, step, task.source) for step in ("image", "encode")
        }

    def add(self, record: Record) -> None:
        picture = self._pictures[record.image]
        if picture.reason is not None:
            self._drop("image", record, Reason(picture.reason), picture.detail)
            return
        template = TEMPLATES[self._task.template]
        clause = misfit(record.conversation, template)
        if clause is not None:
            self._drop("encode", record, Reason.MISFIT, clause)
            return
        encoding = encode_conversation(
            record.conversation, template, self._tokenizer, self._task.limits
        )
        if not encoding.samples:
            self._drop("encode", record, Reason.NO_ROOM, "")
            return
        self._counts[record.language] += Counter(
            records=1,
            split=int(encoding.num_split > 0),
            cut=encoding.num_cut,
            dropped_parts=encoding.num_dropped,
        )
        for number, sample in enumerate(encoding.samples):
            self._keep(record, number, sample, picture.image_id)

    def _keep(
        self, record: Record, number: int, sample: EncodedSample, image_id: str | None
    ) -> None:
        # A part of a conversation may end before its picture comes.
        shown = image_id if IMAGE_SENTINEL in sample.input_ids else None
        row: dict[str, object] = {
            "sample_id": f"{record.record_id}/{number}",
            "record_id": record.record_id,
            "language": record.language,
            "source": record.source,
            "image_id": shown,
            "input_ids": sample.input_ids,
            "label_spans": [{"start": start, "end": end} for start, end in sample.label_spans],
            "num_text_tokens": sample.num_text_tokens,
            "truncated": sample.truncated,
        }
        self._rows.append(row)
        self._digest.update(f"{row['sample_id']}\n{record.language}\n{shown}\n".encode())
        self._digest.update(np.asarray(sample.input_ids, "<i4").tobytes())
        self._digest.update(np.asarray(sample.label_spans, "<i4").tobytes())

    def _drop(self, step: str, record: Record, reason: Reason, detail: str) -> None:
        offset = int(record.record_id.rsplit("@", 1)[1])
        text = json.dumps(record.to_llava(), ensure_ascii=False)
        self._bad[step].add(offset, reason, detail, record.language, text)

    def finish(self, num_records: int) -> dict[str, Any]:
        if self._rows:
            write_samples(self._task.corpus / "samples" / self._task.name, self._rows)
        for quarantine in self._bad.values():
            quarantine.flush()
        return {
            "name": self._task.name,
            "records": num_records,
            "image_drops": self._bad["image"].counts,
            "encode_drops": self._bad["encode"].counts,
            "counts": self._counts,
            "digest": self._digest.hexdigest(),
            "example": self._bad["image"].example or self._bad["encode"].example,
        }
