"""Driver of the filter stage: drops bad images, duplicates, and what the mixture doesn't take."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from palo import storage
from palo.config import fingerprint
from palo.corpus.build_run import BuildRun
from palo.corpus.filter.decisions import FilterDecisions, decisions_name
from palo.corpus.filter.near_duplicates import SIGNATURE_BYTES, near_groups
from palo.corpus.filter.worker import (
    SignatureResult,
    SignatureTask,
    read_signatures,
    sign_records,
)
from palo.corpus.parse.record_files import RecordFile, RecordIndex
from palo.corpus.ray_tasks import Job
from palo.corpus.task_log import task_name
from palo.data.manifest import CORPUS_VERSION
from palo.progress import Meter

_WRITERS = 8


class FilterStage:
    """Decides which records are kept.

    Args:
        run: The build.
    """

    def __init__(self, run: BuildRun) -> None:
        self._run = run
        self._config = run.config

    def decide(self, index: RecordIndex, images: pa.Table) -> FilterDecisions:
        """Decides which records are dropped, and writes the decisions into the corpus.

        Args:
            index: The records.
            images: The table of their images, as IMAGE_SCHEMA has it.

        Returns:
            The decisions on all records.

        Raises:
            StorageError: If a file can't be read or written.
        """
        decisions = FilterDecisions(index, images, self._run.names, self._config.mixture)
        if self._config.cleaning.duplicates == "drop":
            decisions.drop_duplicates()
        if self._config.cleaning.near_duplicates is not None:
            self._drop_near(index, decisions, self._config.cleaning.near_duplicates)
        decisions.drop_unchosen()
        with ThreadPoolExecutor(_WRITERS) as pool:
            names = pool.map(
                lambda number: self._write(index, decisions, number), range(len(index.files))
            )
            self._run.keep(list(names))
        return decisions

    def _drop_near(self, index: RecordIndex, decisions: FilterDecisions, threshold: float) -> None:
        jobs = [self._signature_job(file) for file in index.files]
        meter = Meter("near duplicates", "records", self._run.say, len(index))
        for outcome in self._run.run(sign_records, jobs, SignatureResult):
            count = meter.add if outcome.is_new else meter.skip
            count(outcome.result.num_records)
        meter.finish()
        rows = decisions.kept
        parts = [
            read_signatures(self._config.output, file.name)[own]
            for file, own in zip(index.files, index.split(rows), strict=True)
        ]
        signed = np.concatenate([np.zeros((0, SIGNATURE_BYTES), np.uint8), *parts])
        groups = near_groups(signed, threshold, decisions.scopes()[rows])
        pairs = [(later, group[0]) for group in groups for later in group[1:]]
        decisions.drop_near_duplicates(rows[np.array(pairs, np.int64).reshape(-1, 2)])

    def _signature_job(self, file: RecordFile) -> Job[SignatureTask]:
        inputs = fingerprint([CORPUS_VERSION, file.digest])
        return Job(
            key=self._run.task_key("signatures", task_name(file.name), inputs),
            task=SignatureTask(corpus=self._config.output, name=file.name),
        )

    def _write(self, index: RecordIndex, decisions: FilterDecisions, number: int) -> str:
        name = decisions_name(index.files[number].name)
        storage.write_table(self._config.output / name, decisions.table(number))
        return name
