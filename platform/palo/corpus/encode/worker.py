"""Worker of the encode stage: follows the filter decisions, and makes samples of what is kept."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.corpus.filter.decisions import read_decisions
from palo.corpus.parse.record_files import records_of
from palo.corpus.quarantine import Quarantine, SourceFile
from palo.corpus.ray_tasks import Work
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


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeTask:
    """One file of records to encode, and the file of the decisions on them.

    Attributes:
        corpus: Folder of the corpus.
        name: The file of records, as a path in the corpus.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeResult:
    """What an encode task counted.

    Attributes:
        num_records: Records of the file.
        drops: Records dropped, by step, reason and language.
        counts: By language: records that gave samples, and how many were split or cut.
        lengths: By language, the number of samples by their text tokens, the latter as text.
        num_targets: Trained tokens by language.
        digest: Names the samples; "" if there are none.
        example: A bad record, in words.
    """

    num_records: int
    drops: Mapping[str, Mapping[str, Mapping[str, int]]]
    counts: Mapping[str, Mapping[str, int]]
    lengths: Mapping[str, Mapping[str, int]]
    num_targets: Mapping[str, int]
    digest: str
    example: str


def samples_name(records: str) -> str:
    """Returns the file of the samples of a file of records.

    Args:
        records: The file of records, as a path in the corpus.
    """
    return records.replace("records/", "samples/", 1)


def encode_records(task: EncodeTask) -> Work[EncodeResult]:
    """Writes the samples of one file of records, and its quarantine.

    Args:
        task: The file, and how its records are encoded.

    Returns:
        The counts of what was done, and the files that were written.

    Raises:
        StorageError: If a file can't be read or written.
    """
    records = storage.read_table(
        task.corpus / task.name, columns=[*RECORD_SCHEMA.names, "row_offset"]
    )
    num_records = len(records)
    decisions = read_decisions(task.corpus, task.name)
    encoder = _RecordEncoder(task)
    unchosen = pc.fill_null(pc.equal(decisions["stage"], "mixture"), False)
    if pc.any(unchosen).as_py():
        # Those are counted, and never become Python objects.
        encoder.count_unchosen(records.filter(unchosen).column("language"))
        others = pc.invert(unchosen)
        records, decisions = records.filter(others), decisions.filter(others)
    for offset, record, decision in zip(
        records.column("row_offset").to_pylist(),
        records_of(records.select(RECORD_SCHEMA.names)),
        decisions.to_pylist(),
        strict=True,
    ):
        if decision["stage"] is None:
            encoder.encode(offset, record, decision["image_id"])
        else:
            reason = Reason(decision["reason"])
            encoder.drop(decision["stage"], offset, record, reason, decision["detail"])
    return encoder.finish(num_records)


class _RecordEncoder:
    def __init__(self, task: EncodeTask) -> None:
        self._task = task
        self._tokenizer: TextTokenizer = _tokenizer(task.tokenizer)
        self._rows: list[dict[str, object]] = []
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lengths: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._targets: Counter[str] = Counter()
        self._digest = hashlib.sha256()
        self._unchosen: dict[str, dict[str, int]] = {}
        self._bad = {step: Quarantine(task.corpus, step, task.source) for step in _QUARANTINED}

    def count_unchosen(self, languages: pa.ChunkedArray) -> None:
        pairs = pc.value_counts(languages).to_pylist()
        self._unchosen = {Reason.NOT_CHOSEN.value: {p["values"]: p["counts"] for p in pairs}}

    def encode(self, offset: int, record: Record, image_id: str | None) -> None:
        template = TEMPLATES[self._task.template]
        conversation = record.conversation
        clause = misfit(conversation, template)
        if clause is not None:
            self.drop("encode", offset, record, Reason.MISFIT, clause)
            return
        encoding = encode_conversation(conversation, template, self._tokenizer, self._task.limits)
        if not encoding.samples:
            self.drop("encode", offset, record, Reason.NO_ROOM, "")
            return
        self._count(self._counts[record.language], encoding)
        for number, sample in enumerate(encoding.samples):
            self._keep(record, number, sample, image_id)

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

    def drop(
        self, step: StepName, offset: int, record: Record, reason: Reason, detail: str
    ) -> None:
        text = json.dumps(record.to_llava(), ensure_ascii=False)
        self._bad[step].add(offset, reason, detail, record.language, text)

    def finish(self, num_records: int) -> Work[EncodeResult]:
        files: list[str] = []
        if self._rows:
            files.append(samples_name(self._task.name))
            write_samples(self._task.corpus / files[0], self._rows)
        for quarantine in self._bad.values():
            quarantine.flush()
            files += quarantine.names
        result = EncodeResult(
            num_records=num_records,
            drops={step: bad.counts for step, bad in self._bad.items()}
            | {"mixture": self._unchosen},
            counts=self._counts,
            lengths={
                language: {str(length): count for length, count in lengths.items()}
                for language, lengths in self._lengths.items()
            },
            num_targets=self._targets,
            digest=self._digest.hexdigest() if self._rows else "",
            example=self._bad["image"].example or self._bad["encode"].example,
        )
        return Work(result, files)
