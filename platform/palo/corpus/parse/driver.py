"""Driver of the parse stage: the splits of all sources to files of records."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, takewhile

from palo import languages
from palo.config import fingerprint
from palo.corpus.build_run import BuildRun
from palo.corpus.parse.origin import origin_of
from palo.corpus.parse.record_files import RecordFile, RecordIndex, read_index
from palo.corpus.parse.worker import ParseResult, ParseTask, parse_split
from palo.corpus.quarantine import SourceFile
from palo.corpus.ray_tasks import Job
from palo.corpus.row_counts import RowCounts
from palo.corpus.sources import Split, SplitBoundary, misread
from palo.corpus.sources.rows_hash import joined_hash
from palo.corpus.task_log import TaskKey
from palo.data.manifest import CORPUS_VERSION
from palo.progress import Meter


class ParseStage:
    """Makes records of the sources' rows, and cleans them.

    Args:
        run: The build.

    Attributes:
        inputs: SHA-256 of the rows of each source, by its name.
    """

    def __init__(self, run: BuildRun) -> None:
        self.inputs: dict[str, str] = {}
        self._run = run
        self._config = run.config
        self._results: dict[str, ParseResult] = {}

    def parse(self, splits: Sequence[Sequence[Split]]) -> RecordIndex:
        """Parses all splits, those of JSON arrays until neighbours fit together.

        Args:
            splits: The splits of each source.

        Returns:
            The index of all records.

        Raises:
            DataError: If a source can't be used as a whole, or too many rows are bad.
        """
        jobs = [self._job(number, split) for number, own in enumerate(splits) for split in own]
        self._follow(jobs)
        for number, own in enumerate(splits):
            while wrong := misread(own, self._boundaries(number, own)):
                self._follow([self._job(number, split) for split in wrong], again=True)
        files: list[RecordFile] = []
        sources: list[int] = []
        for number, own in enumerate(splits):
            results = [self._results[self._name(number, split)] for split in own]
            source = self._run.names[number]
            _count(self._run.row_counts, source, results)
            self.inputs[source] = joined_hash(result.sha256 for result in results)
            own_files = [file for result in results for file in result.files]
            files += own_files
            sources += [number] * len(own_files)
        self._run.row_counts.require_few_bad()
        return read_index(self._config.output, files, sources)

    def _follow(self, jobs: Sequence[Job[ParseTask]], *, again: bool = False) -> None:
        num_splits = Counter(job.task.split.path for job in jobs)
        sizes = {
            job.key: job.task.split.size_bytes // num_splits[job.task.split.path] for job in jobs
        }
        step = "parse again" if again else "parse"
        total = sum(sizes.values())
        meter = Meter(step, "rows", self._run.say, total, by_effort=True)
        num_rows = num_bad = done = 0
        for outcome in self._run.run(parse_split, jobs, ParseResult, again=again):
            result = self._results[outcome.key.name] = outcome.result
            count = meter.add if outcome.is_new else meter.skip
            count(result.num_rows, sizes[outcome.key])
            num_rows += result.num_rows
            num_bad += result.num_rows - result.num_records
            done += sizes[outcome.key]
            # Looking at every split after each one would cost the square of their number.
            if not again and self._is_hopeless(num_bad, num_rows, done, total):
                self._require_hope(jobs, sizes)
        meter.finish()

    def _is_hopeless(self, num_bad: int, num_rows: int, done: int, total: int) -> bool:
        """Returns whether too many rows are bad, even if all in the bytes to come are good."""
        return num_bad * done > self._config.max_bad_share * num_rows * total

    def _require_hope(self, jobs: Sequence[Job[ParseTask]], sizes: Mapping[TaskKey, int]) -> None:
        """Stops if too many of the proven rows are bad."""
        proven = list(self._proven(jobs))
        results = [self._results[job.key.name] for job in proven]
        num_rows = sum(result.num_rows for result in results)
        num_bad = num_rows - sum(result.num_records for result in results)
        done = sum(sizes[job.key] for job in proven)
        if not self._is_hopeless(num_bad, num_rows, done, sum(sizes.values())):
            return
        so_far = RowCounts(
            self._config.max_bad_share, self._run.names, self._config.output / "quarantine"
        )
        for job, result in zip(proven, results, strict=True):
            _count(so_far, job.task.source.name, [result])
        so_far.require_few_bad()

    def _proven(self, jobs: Sequence[Job[ParseTask]]) -> Iterator[Job[ParseTask]]:
        """Yields the jobs with proven rows: a split of an array may begin at a wrong offset."""
        for _, own in groupby(jobs, key=lambda job: job.task.source.name):
            done = list(takewhile(lambda job: job.key.name in self._results, own))
            boundaries = [self._results[job.key.name].boundary for job in done]
            wrong = misread([job.task.split for job in done], boundaries)
            first = min((split.row_offset(split.start) for split in wrong), default=None)
            for job in done:
                if first is not None and job.task.split.row_offset(job.task.split.start) >= first:
                    break
                yield job

    def _boundaries(self, number: int, splits: Sequence[Split]) -> list[SplitBoundary]:
        results = (self._results[self._name(number, split)] for split in splits)
        return [result.boundary for result in results]

    def _name(self, number: int, split: Split) -> str:
        return f"{self._run.names[number]}/{split.row_offset(split.start):018d}"

    def _job(self, number: int, split: Split) -> Job[ParseTask]:
        settings = self._config.sources[number]
        task = ParseTask(
            corpus=self._config.output,
            source=SourceFile(name=settings.name, path=split.path),
            split=split,
            origin=origin_of(settings),
            cleaning=self._config.cleaning,
            known=tuple(languages.every()),
        )
        # The first row of a split follows from the splits before it, and is no input of its own.
        same = dataclasses.replace(split, first=None, proven=False)
        rules = (self._config.cleaning.normal_form, self._config.cleaning.other_language)
        inputs = fingerprint([CORPUS_VERSION, same, task.origin, rules, task.known])
        return Job(key=self._run.task_key("parse", self._name(number, split), inputs), task=task)


def _count(row_counts: RowCounts, source: str, results: Sequence[ParseResult]) -> None:
    for result in results:
        row_counts.add(
            "parse", source, result.num_rows, result.num_parsed, result.parse_drops, result.example
        )
        row_counts.add("clean", source, result.num_parsed, result.num_records, result.clean_drops)
        row_counts.add_counts(source, result.counts)
