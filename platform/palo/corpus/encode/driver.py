"""The last steps of a build: which records are left out, and samples of the others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from palo.config import fingerprint
from palo.corpus.build_run import BuildRun
from palo.corpus.build_state import CORPUS_VERSION
from palo.corpus.encode.worker import EncodeTask, encode_records, samples_name
from palo.corpus.filter.decisions import FilterDecisions
from palo.corpus.filter.near_duplicates import SIGNATURE_BYTES, near_groups
from palo.corpus.filter.worker import SignatureTask, read_signatures, sign_records
from palo.corpus.parse.record_index import RecordFile, RecordIndex
from palo.corpus.quarantine import SourceFile
from palo.corpus.ray_tasks import Job, Outcome, Work
from palo.corpus.sources import Split, file_number_of
from palo.corpus.stages import StepName
from palo.corpus.task_log import TaskEntry
from palo.errors import DataError
from palo.progress import Meter

T = TypeVar("T")

# What a file of records goes through in one task.
_OF_ENCODING: tuple[StepName, ...] = (
    "image",
    "duplicate",
    "near_duplicate",
    "mixture",
    "encode",
)


class SampleSteps:
    """Takes records to samples.

    Args:
        run: The build.
        pieces: The pieces of each source.

    Attributes:
        files: Size in bytes of each samples file by its path in the corpus, in order.
    """

    def __init__(self, run: BuildRun, pieces: Sequence[Sequence[Split]]) -> None:
        self.files: dict[str, int] = {}
        self._run = run
        self._config = run.config
        self._paths = [{piece.file_number: piece.path for piece in own} for own in pieces]

    def choose(self, index: RecordIndex, images: pa.Table) -> FilterDecisions:
        """Decides which records are left out: bad images, duplicates, not in the mixture."""
        fates = FilterDecisions(index, images, self._run.names, self._config.mixture)
        if self._config.cleaning.duplicates == "drop":
            fates.drop_duplicates()
        if self._config.cleaning.near_duplicates is not None:
            self._drop_near(index, fates, self._config.cleaning.near_duplicates)
        fates.drop_unchosen()
        return fates

    def _drop_near(self, index: RecordIndex, fates: FilterDecisions, threshold: float) -> None:
        jobs = [self._signature_job(file) for file in index.files]
        self._follow("near duplicates", sign_records, jobs, len(index))
        rows = fates.kept
        parts = [
            read_signatures(self._config.output, file.name)[own]
            for file, own in zip(index.files, index.split(rows), strict=True)
        ]
        signed = np.concatenate([np.zeros((0, SIGNATURE_BYTES), np.uint8), *parts])
        groups = near_groups(signed, threshold, fates.scopes()[rows])
        pairs = [(later, group[0]) for group in groups for later in group[1:]]
        fates.drop_near_duplicates(rows[np.array(pairs, np.int64).reshape(-1, 2)])

    def _signature_job(self, file: RecordFile) -> Job[SignatureTask]:
        key = fingerprint([CORPUS_VERSION, file.digest])
        return Job(
            ticket=self._run.ticket("signatures", _job_name(file.name), key),
            task=SignatureTask(corpus=self._config.output, name=file.name),
        )

    def _follow(
        self, step: str, function: Callable[[T], Work], jobs: Sequence[Job[T]], total: int
    ) -> list[Outcome]:
        """Runs jobs that each count the records of a file."""
        meter = Meter(step, "records", self._run.say, total)
        outcomes: list[Outcome] = []
        for outcome in self._run.run(function, jobs):
            count = meter.add if outcome.is_new else meter.skip
            count(outcome.entry.result["records"])
            outcomes.append(outcome)
        meter.finish()
        return outcomes

    def encode(self, index: RecordIndex, fates: FilterDecisions) -> str:
        """Makes samples of the records that are kept.

        Returns:
            A fingerprint of the samples, in their order.

        Raises:
            DataError: If too many rows are bad, or none is left.
        """
        jobs = [self._encode_job(index, fates, number) for number in range(len(index.files))]
        sources = {
            job.ticket: self._run.names[file.source]
            for job, file in zip(jobs, index.files, strict=True)
        }
        entries: dict[str, TaskEntry] = {}
        for outcome in self._follow("encode", encode_records, jobs, len(index)):
            entries[outcome.ticket.name] = outcome.entry
            self._count(sources[outcome.ticket], outcome.entry.result)
        self._run.accounts.require_few_bad()
        digests: list[str] = []
        for file in index.files:
            entry, name = entries[_job_name(file.name)], samples_name(file.name)
            if name in entry.outputs:
                self.files[name] = entry.outputs[name]
                digests.append(entry.result["digest"])
        if not digests:
            raise DataError("no row is left to train on", fix="Check the sources.")
        return fingerprint(digests)

    def _encode_job(
        self, index: RecordIndex, fates: FilterDecisions, number: int
    ) -> Job[EncodeTask]:
        file = index.files[number]
        first = int(index.places[index.starts[number]])
        path = self._paths[file.source][file_number_of(first)]
        task = EncodeTask(
            corpus=self._config.output,
            name=file.name,
            source=SourceFile(name=self._run.names[file.source], path=path),
            template=self._config.template,
            tokenizer=self._config.tokenizer,
            limits=self._config.limits,
            fates=fates.packed(number),
            repeated=fates.repeated(number),
        )
        key = fingerprint(
            [
                CORPUS_VERSION,
                file.digest,
                fates.image_digest(number),
                task.fates,
                task.repeated,
                task.template,
                self._run.tokenizer,
                task.limits,
            ]
        )
        return Job(ticket=self._run.ticket("encode", _job_name(file.name), key), task=task)

    def _count(self, source: str, result: Mapping[str, Any]) -> None:
        num_encoded = sum(counts["records"] for counts in result["counts"].values())
        num_left = result["records"]
        for step in _OF_ENCODING:
            drops, num_before = result["drops"][step], num_left
            num_left -= _total(drops)
            num_out = num_encoded if step == "encode" else num_left
            example = result["example"] if step == "encode" else ""
            self._run.accounts.add(step, source, num_before, num_out, drops, example)
        self._run.accounts.add_samples(source, result)


def _job_name(file: str) -> str:
    """Returns the name of a task for a file of records: source and place."""
    return file.removeprefix("records/").removesuffix(".parquet")


def _total(dropped: Mapping[str, Mapping[str, int]]) -> int:
    return sum(sum(counts.values()) for counts in dropped.values())
