"""Last steps of a build: from records, their images' ids and their fates to samples."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.corpus.filter.decisions import FilterDecision, RepeatedRecord, unpack
from palo.corpus.images_step.known_images import KnownImage, known_images
from palo.corpus.quarantine import Quarantine, SourceFile
from palo.corpus.ray_tasks import Work
from palo.corpus.record_tables import records_of
from palo.corpus.stages import StepName
from palo.data.records import RECORD_SCHEMA, Record
from palo.data.samples import write_samples
from palo.reasons import Reason
from palo.text.encoding import (
    EncodedSample,
    Encoding,
    EncodingLimits,
    encode_conversation,
    misfit,
)
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer, load_tokenizer

_tokenizer = lru_cache(maxsize=2)(load_tokenizer)
_QUARANTINED: tuple[StepName, ...] = ("image", "duplicate", "near_duplicate", "encode")
_REPEATS: Mapping[FilterDecision, tuple[StepName, Reason]] = {
    FilterDecision.DUPLICATE: ("duplicate", Reason.DUPLICATE),
    FilterDecision.NEAR_DUPLICATE: ("near_duplicate", Reason.NEAR_DUPLICATE),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeTask:
    """One file of records to encode.

    Attributes:
        corpus: Folder of the corpus.
        name: The file, as a path in the corpus.
        source: The source that it came from.
        template: Name of the template.
        tokenizer: Folder of the tokenizer.
        limits: Length of samples.
        fates: What becomes of each record, from `Fates.packed`.
        repeated: The records that an earlier one makes superfluous.
    """

    corpus: Path
    name: str
    source: SourceFile
    template: str
    tokenizer: Path
    limits: EncodingLimits
    fates: str = ""
    repeated: tuple[RepeatedRecord, ...] = ()


def samples_name(records: str) -> str:
    """Returns the path in the corpus of the samples of a file of records."""
    return records.replace("records/", "samples/", 1)


def encode_records(task: EncodeTask) -> Work:
    """Writes the samples of one file of records, and its quarantine.

    Returns:
        records; drops by step, reason and language; counts by language; lengths, how many samples
        have so many text tokens, and targets, trained tokens, by language; digest of the samples,
        empty if there are none; example of a bad record.
    """
    path = task.corpus / task.name
    table = storage.read_table(path, columns=[*RECORD_SCHEMA.names, "place"])
    num_records = len(table)
    fates = unpack(task.fates, num_records)
    unchosen = fates == FilterDecision.MIXTURE
    step = _EncodeStep(task)
    if unchosen.any():
        step.pass_over(table.filter(pa.array(unchosen)).column("language"))
        table = table.filter(pa.array(~unchosen))
    step.look_up(
        table.select(["image"]).filter(pa.array(fates[~unchosen] <= FilterDecision.IMAGE)).column(0)
    )
    rows = np.flatnonzero(~unchosen).tolist()
    places = table.column("place").to_pylist()
    records = records_of(table.select(RECORD_SCHEMA.names))
    for row, place, record in zip(rows, places, records, strict=True):
        step.add(row, place, record, FilterDecision(fates[row]))
    return step.finish(num_records)


class _EncodeStep:
    def __init__(self, task: EncodeTask) -> None:
        self._task = task
        self._images: dict[str | None, KnownImage] = {}
        self._tokenizer: TextTokenizer = _tokenizer(task.tokenizer)
        self._rows: list[dict[str, object]] = []
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lengths: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._targets: Counter[str] = Counter()
        self._digest = hashlib.sha256()
        self._unchosen: dict[str, dict[str, int]] = {}
        self._bad = {step: Quarantine(task.corpus, step, task.source) for step in _QUARANTINED}
        self._first = {repeated.row: repeated for repeated in task.repeated}

    def look_up(self, images: pa.ChunkedArray) -> None:
        self._images = known_images(self._task.corpus, images.unique().drop_null().to_pylist())

    def pass_over(self, languages: pa.ChunkedArray) -> None:
        pairs = pc.value_counts(languages).to_pylist()
        self._unchosen = {Reason.NOT_CHOSEN.value: {p["values"]: p["counts"] for p in pairs}}

    def add(self, row: int, place: int, record: Record, fate: FilterDecision) -> None:
        if fate in _REPEATS:
            step, reason = _REPEATS[fate]
            first = self._first[row]
            detail = f"of {first.source}@{first.place}"
            self._drop(step, place, record, reason, detail)
            return
        image = self._images[record.image]
        if image.reason is not None:
            self._drop("image", place, record, Reason(image.reason), image.detail)
            return
        template = TEMPLATES[self._task.template]
        conversation = record.conversation
        clause = misfit(conversation, template)
        if clause is not None:
            self._drop("encode", place, record, Reason.MISFIT, clause)
            return
        encoding = encode_conversation(conversation, template, self._tokenizer, self._task.limits)
        if not encoding.samples:
            self._drop("encode", place, record, Reason.NO_ROOM, "")
            return
        self._count(self._counts[record.language], encoding)
        for number, sample in enumerate(encoding.samples):
            self._keep(record, number, sample, image.image_id)

    def _count(self, counts: Counter[str], encoding: Encoding) -> None:
        counts["records"] += 1
        for name, count in (
            ("split", encoding.num_split > 0),
            ("cut", encoding.num_cut),
            ("dropped_parts", encoding.num_dropped),
        ):
            if count:
                counts[name] += int(count)

    def _keep(
        self, record: Record, number: int, sample: EncodedSample, image_id: str | None
    ) -> None:
        # A part of a conversation may end before its image comes.
        has_image = image_id is not None and len(sample.input_ids) > sample.num_text_tokens
        shown = image_id if has_image else None
        sample_id = f"{record.record_id}/{number}"
        ids = np.frombuffer(sample.input_ids, np.int32)
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
        self._lengths[record.language][sample.num_text_tokens] += 1
        # A token at position 0 has none before it that could predict it.
        self._targets[record.language] += sum(
            end - max(start, 1) for start, end in sample.label_spans
        )
        self._digest.update(f"{sample_id}\n{record.language}\n{shown}\n".encode())
        self._digest.update(sample.input_ids)
        self._digest.update(spans.tobytes())

    def _drop(
        self, step: StepName, place: int, record: Record, reason: Reason, detail: str
    ) -> None:
        text = json.dumps(record.to_llava(), ensure_ascii=False)
        self._bad[step].add(place, reason, detail, record.language, text)

    def finish(self, num_records: int) -> Work:
        files: list[str] = []
        if self._rows:
            files.append(samples_name(self._task.name))
            write_samples(self._task.corpus / files[0], self._rows)
        for quarantine in self._bad.values():
            quarantine.flush()
            files += quarantine.names
        drops: dict[str, Any] = {step: self._bad[step].counts for step in _QUARANTINED}
        result = {
            "records": num_records,
            "drops": drops | {"mixture": self._unchosen},
            "counts": self._counts,
            "lengths": self._lengths,
            "targets": self._targets,
            "digest": self._digest.hexdigest() if self._rows else "",
            "example": self._bad["image"].example or self._bad["encode"].example,
        }
        return Work(result, files)
