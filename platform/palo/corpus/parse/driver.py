"""The first step of a build: sources to records, piece by piece, in files."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, takewhile
from typing import Any

from palo import languages
from palo.config import fingerprint
from palo.corpus.build_run import BuildRun
from palo.corpus.build_state import CORPUS_VERSION
from palo.corpus.images_step.image_files import image_root
from palo.corpus.parse.record_index import RecordFile, RecordIndex, read_index
from palo.corpus.parse.worker import ParseTask, parse_split
from palo.corpus.quarantine import SourceFile
from palo.corpus.ray_tasks import Job
from palo.corpus.row_counts import RowCounts
from palo.corpus.sources import Split, SplitBoundary, misread
from palo.corpus.task_log import TaskKey
from palo.data.records import Origin
from palo.progress import Meter


class ParseSteps:
    """Makes records of the sources' rows, and cleans them.

    Args:
        run: The build.

    Attributes:
        inputs: SHA-256 of what the rows of each source are made of, by its name.
    """

    def __init__(self, run: BuildRun) -> None:
        self.inputs: dict[str, str] = {}
        self._run = run
        self._config = run.config
        self._results: dict[str, Mapping[str, Any]] = {}

    def parse(self, pieces: Sequence[Sequence[Split]]) -> RecordIndex:
        """Parses all pieces, those of JSON arrays until neighbours fit each other.

        Args:
            pieces: The pieces of each source.

        Raises:
            DataError: If a source can't be used as a whole, or too many rows are bad.
        """
        jobs = [self._job(number, piece) for number, own in enumerate(pieces) for piece in own]
        self._follow(jobs)
        for number, own in enumerate(pieces):
            while wrong := misread(own, self._handovers(number, own)):
                self._follow([self._job(number, piece) for piece in wrong], again=True)
        files: list[RecordFile] = []
        for number, own in enumerate(pieces):
            results = [self._results[self._name(number, piece)] for piece in own]
            source = self._run.names[number]
            _account_for(self._run.accounts, source, results)
            joined = "".join(result["sha256"] for result in results)
            self.inputs[source] = hashlib.sha256(joined.encode()).hexdigest()
            for result in results:
                files += [RecordFile(name, number, *rest) for name, *rest in result["files"]]
        self._run.accounts.require_few_bad()
        return read_index(self._config.output, files)

    def _follow(self, jobs: Sequence[Job[ParseTask]], *, again: bool = False) -> None:
        num_pieces = Counter(job.task.piece.path for job in jobs)
        sizes = {
            job.ticket: job.task.piece.size_bytes // num_pieces[job.task.piece.path] for job in jobs
        }
        step = "parse again" if again else "parse"
        total = sum(sizes.values())
        meter = Meter(step, "rows", self._run.say, total, by_effort=True)
        num_rows = num_bad = done = 0
        for outcome in self._run.run(parse_split, jobs, again=again):
            result = self._results[outcome.ticket.name] = outcome.entry.result
            count = meter.add if outcome.is_new else meter.skip
            count(result["rows"], sizes[outcome.ticket])
            num_rows += result["rows"]
            num_bad += result["rows"] - result["records"]
            done += sizes[outcome.ticket]
            # Looking at every piece after each one would cost the square of their number.
            if not again and self._is_hopeless(num_bad, num_rows, done, total):
                self._require_hope(jobs, sizes)
        meter.finish()

    def _is_hopeless(self, num_bad: int, num_rows: int, done: int, total: int) -> bool:
        """Returns whether too many rows are bad, even if all in the bytes to come are good."""
        return num_bad * done > self._config.max_bad_share * num_rows * total

    def _require_hope(self, jobs: Sequence[Job[ParseTask]], sizes: Mapping[TaskKey, int]) -> None:
        """Stops if too many of the rows that are sure are bad."""
        proven = list(self._proven(jobs))
        results = [self._results[job.ticket.name] for job in proven]
        num_rows = sum(result["rows"] for result in results)
        num_bad = num_rows - sum(result["records"] for result in results)
        done = sum(sizes[job.ticket] for job in proven)
        if not self._is_hopeless(num_bad, num_rows, done, sum(sizes.values())):
            return
        so_far = RowCounts(self._config.max_bad_share, self._run.names)
        for job, result in zip(proven, results, strict=True):
            _account_for(so_far, job.task.source.name, [result])
        so_far.require_few_bad()

    def _proven(self, jobs: Sequence[Job[ParseTask]]) -> Iterator[Job[ParseTask]]:
        """Yields the jobs whose rows are sure: a piece of an array may begin in a wrong place."""
        for _, own in groupby(jobs, key=lambda job: job.task.source.name):
            done = list(takewhile(lambda job: job.ticket.name in self._results, own))
            handovers = [SplitBoundary(*self._results[job.ticket.name]["handover"]) for job in done]
            wrong = misread([job.task.piece for job in done], handovers)
            first = min((piece.place_of(piece.start) for piece in wrong), default=None)
            for job in done:
                if first is not None and job.task.piece.place_of(job.task.piece.start) >= first:
                    break
                yield job

    def _handovers(self, number: int, pieces: Sequence[Split]) -> list[SplitBoundary]:
        results = (self._results[self._name(number, piece)] for piece in pieces)
        return [SplitBoundary(*result["handover"]) for result in results]

    def _name(self, number: int, piece: Split) -> str:
        return f"{self._run.names[number]}/{piece.place_of(piece.start):018d}"

    def _job(self, number: int, piece: Split) -> Job[ParseTask]:
        settings = self._config.sources[number]
        task = ParseTask(
            corpus=self._config.output,
            source=SourceFile(name=settings.name, path=piece.path),
            piece=piece,
            origin=Origin(
                source=settings.name,
                licence=settings.licence,
                language=settings.language,
                image_folder=None if settings.images is None else image_root(settings.images),
                allowed_hosts=settings.allowed_hosts,
                languages=languages.codes(),
                names=tuple(languages.get(code).name for code in languages.codes()),
            ),
            cleaning=self._config.cleaning,
            known=tuple(languages.every()),
        )
        # Where a piece begins follows from those before it: whoever found out, the result is one.
        same = dataclasses.replace(piece, first=None, proven=False)
        rules = (self._config.cleaning.normal_form, self._config.cleaning.other_language)
        key = fingerprint([CORPUS_VERSION, same, task.origin, rules, task.known])
        return Job(ticket=self._run.ticket("parse", self._name(number, piece), key), task=task)


def _account_for(accounts: RowCounts, source: str, results: Sequence[Mapping[str, Any]]) -> None:
    for result in results:
        num_rows, num_parsed, num_records = (result[n] for n in ("rows", "parsed", "records"))
        drops, example = result["parse_drops"], result["example"]
        accounts.add("parse", source, num_rows, num_parsed, drops, example)
        accounts.add("clean", source, num_parsed, num_records, result["clean_drops"])
        accounts.add_counts(source, result["counts"])
