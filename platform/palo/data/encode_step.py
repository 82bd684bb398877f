"""Last step of a build: from records, the pictures' ids and known duplicates to samples."""

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from palo import storage
from palo.data.duplicates import Duplicate, offset_of
from palo.data.known_pictures import KnownPicture, known_pictures
from palo.data.quarantine import Quarantine, SourceFile
from palo.data.reasons import Reason
from palo.data.record_tables import records_of
from palo.data.records import Record
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
        duplicates: The file's records that equal an earlier one.
    """

    corpus: Path
    name: str
    source: SourceFile
    template: str
    tokenizer: Path
    limits: EncodingLimits
    duplicates: tuple[Duplicate, ...] = ()


def encode_records(task: EncodeTask) -> dict[str, Any]:
    """Writes the samples of one file of records, and its quarantine.

    Returns:
        name; records; drops by step, reason and language; counts by language; digest of the
        samples; example of a bad record.
    """
    table = storage.read_table(task.corpus / "records" / task.name)
    pictures = known_pictures(task.corpus, table.column("image").unique().drop_null().to_pylist())
    step = _EncodeStep(task, pictures)
    for record in records_of(table):
        step.add(record)
    return step.finish(len(table))


class _EncodeStep:
    def __init__(self, task: EncodeTask, pictures: dict[str | None, KnownPicture]) -> None:
        self._task = task
        self._pictures = pictures
        self._tokenizer: TextTokenizer = _tokenizer(task.tokenizer)
        self._rows: list[dict[str, object]] = []
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._digest = hashlib.sha256()
        self._bad = {
            step: Quarantine(task.corpus, step, task.source)
            for step in ("image", "duplicate", "encode")
        }
        self._first = {duplicate.offset: duplicate.first for duplicate in task.duplicates}

    def add(self, record: Record) -> None:
        picture = self._pictures[record.image]
        if picture.reason is not None:
            self._drop("image", record, Reason(picture.reason), picture.detail)
            return
        first = self._first.get(offset_of(record.record_id))
        if first is not None:
            detail = f"of the record at {first[1]} in source {first[0]}"
            self._drop("duplicate", record, Reason.DUPLICATE, detail)
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
        sample_id = f"{record.record_id}/{number}"
        ids = np.array(sample.input_ids, "<i4")
        spans = np.array(sample.label_spans, "<i4")
        self._rows.append(
            {
                "sample_id": sample_id,
                "record_id": record.record_id,
                "language": record.language,
                "source": record.source,
                "image_id": shown,
                "input_ids": ids,
                "label_spans": spans,
                "num_text_tokens": sample.num_text_tokens,
                "truncated": sample.truncated,
            }
        )
        self._digest.update(f"{sample_id}\n{record.language}\n{shown}\n".encode())
        self._digest.update(ids.tobytes())
        self._digest.update(spans.tobytes())

    def _drop(self, step: str, record: Record, reason: Reason, detail: str) -> None:
        text = json.dumps(record.to_llava(), ensure_ascii=False)
        self._bad[step].add(offset_of(record.record_id), reason, detail, record.language, text)

    def finish(self, num_records: int) -> dict[str, Any]:
        if self._rows:
            write_samples(self._task.corpus / "samples" / self._task.name, self._rows)
        for quarantine in self._bad.values():
            quarantine.flush()
        return {
            "name": self._task.name,
            "records": num_records,
            "drops": {step: quarantine.counts for step, quarantine in self._bad.items()},
            "counts": self._counts,
            "digest": self._digest.hexdigest(),
            "example": self._bad["image"].example or self._bad["encode"].example,
        }
