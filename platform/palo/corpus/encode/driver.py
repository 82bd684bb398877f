"""Driver of the encode stage: the kept records to samples, a task for each file of records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palo.config import fingerprint
from palo.corpus.build_run import BuildRun
from palo.corpus.encode.worker import EncodeResult, EncodeTask, encode_records, samples_name
from palo.corpus.filter.decisions import FilterDecisions
from palo.corpus.parse.record_files import RecordIndex
from palo.corpus.quarantine import SourceFile
from palo.corpus.ray_tasks import Job, Outcome
from palo.corpus.sources import Split, file_number_of
from palo.corpus.stages import StepName
from palo.corpus.task_log import task_name
from palo.data.manifest import CORPUS_VERSION
from palo.errors import DataError
from palo.progress import Meter

# The steps whose dropped records an encode task counts, in order.
_COUNTED: tuple[StepName, ...] = ("image", "duplicate", "near_duplicate", "mixture", "encode")


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedCorpus:
    """The samples of a corpus.

    Attributes:
        files: Size in bytes of each samples file by its path in the corpus, in order.
        digest: Names the samples, in their order.
    """

    files: Mapping[str, int]
    digest: str


class EncodeStage:
    """Makes samples of records.

    Args:
        run: The build.
        splits: The splits of each source.
    """

    def __init__(self, run: BuildRun, splits: Sequence[Sequence[Split]]) -> None:
        self._run = run
        self._config = run.config
        self._paths = [{split.file_number: split.path for split in own} for own in splits]

    def encode(self, index: RecordIndex, decisions: FilterDecisions) -> EncodedCorpus:
        """Makes samples of the records that are kept.

        Args:
            index: The records.
            decisions: Which of them are kept.

        Returns:
            The samples' files, and their digest.

        Raises:
            DataError: If too many rows are bad, or none is left.
        """
        jobs = [self._job(index, decisions, number) for number in range(len(index.files))]
        sources = {
            job.key: self._run.names[source]
            for job, source in zip(jobs, index.file_sources, strict=True)
        }
        outcomes: dict[str, Outcome[EncodeResult]] = {}
        meter = Meter("encode", "records", self._run.say, len(index))
        for outcome in self._run.run(encode_records, jobs, EncodeResult):
            count = meter.add if outcome.is_new else meter.skip
            count(outcome.result.num_records)
            outcomes[outcome.key.name] = outcome
            self._count(sources[outcome.key], outcome.result)
        meter.finish()
        self._run.row_counts.require_few_bad()
        files: dict[str, int] = {}
        digests: list[str] = []
        for file in index.files:
            outcome, name = outcomes[task_name(file.name)], samples_name(file.name)
            if name in outcome.outputs:
                files[name] = outcome.outputs[name]
                digests.append(outcome.result.digest)
        if not digests:
            raise DataError("no row is left to train on", fix="Check the sources.")
        return EncodedCorpus(files=files, digest=fingerprint(digests))

    def _job(self, index: RecordIndex, decisions: FilterDecisions, number: int) -> Job[EncodeTask]:
        file, source = index.files[number], index.file_sources[number]
        first = int(index.row_offsets[index.starts[number]])
        task = EncodeTask(
            corpus=self._config.output,
            name=file.name,
            source=SourceFile(
                name=self._run.names[source], path=self._paths[source][file_number_of(first)]
            ),
            template=self._config.template,
            tokenizer=self._config.tokenizer,
            limits=self._config.limits,
        )
        inputs = fingerprint(
            [
                CORPUS_VERSION,
                file.digest,
                decisions.digest(number),
                task.template,
                self._run.tokenizer,
                task.limits,
            ]
        )
        return Job(key=self._run.task_key("encode", task_name(file.name), inputs), task=task)

    def _count(self, source: str, result: EncodeResult) -> None:
        num_encoded = sum(counts["records"] for counts in result.counts.values())
        num_left = result.num_records
        for step in _COUNTED:
            drops, num_before = result.drops[step], num_left
            num_left -= sum(sum(counts.values()) for counts in drops.values())
            num_out = num_encoded if step == "encode" else num_left
            example = result.example if step == "encode" else ""
            self._run.row_counts.add(step, source, num_before, num_out, drops, example)
        self._run.row_counts.add_samples(
            source, counts=result.counts, lengths=result.lengths, num_targets=result.num_targets
        )
