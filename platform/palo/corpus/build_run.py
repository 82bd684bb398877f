"""One run of a build: what its stages share, and which tasks and files belong to it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from palo.corpus.config import CorpusConfig
from palo.corpus.ray_tasks import Job, Outcome, Work, run_jobs
from palo.corpus.row_counts import RowCounts
from palo.corpus.task_log import TaskKey, sweep
from palo.images.store_spec import StoreSpec

T = TypeVar("T")
R = TypeVar("R")


class BuildRun:
    """One run of a build.

    Args:
        config: What to build.
        spec: What the image store holds.
        tokenizer: Fingerprint of the tokenizer.
        say: Takes lines about progress.

    Attributes:
        names: Names of the sources, in order.
        row_counts: Rows in, out and dropped.
        num_run: Number of tasks that ran, by step; those done before don't count.
        num_reused: Number of tasks that were done before, by step.
    """

    def __init__(
        self,
        config: CorpusConfig,
        spec: StoreSpec,
        tokenizer: str,
        say: Callable[[str], None],
    ) -> None:
        self.config = config
        self.spec = spec
        self.tokenizer = tokenizer
        self.say = say
        self.names = [source.name for source in config.sources]
        self.row_counts = RowCounts(config.max_bad_share, self.names, config.output / "quarantine")
        self.num_run: Counter[str] = Counter()
        self.num_reused: Counter[str] = Counter()
        self._outputs: dict[TaskKey, list[str]] = {}
        self._kept: list[str] = []

    def task_key(self, step: str, name: str, inputs: str) -> TaskKey:
        """Returns the key of a task of this build.

        Args:
            step: Name of the step.
            name: Name of the task, unique in its step.
            inputs: Fingerprint of all that the task's outputs depend on.
        """
        return TaskKey(corpus=self.config.output, step=step, name=name, inputs=inputs)

    def run(
        self,
        function: Callable[[T], Work[R]],
        jobs: Sequence[Job[T]],
        kind: type[R],
        *,
        again: bool = False,
    ) -> Iterator[Outcome[R]]:
        """Runs the jobs that are not done yet; see `run_jobs`.

        Args:
            function: Takes a task, writes its outputs.
            jobs: What to do.
            kind: Type of the function's result.
            again: Whether to run those that are done, too.

        Yields:
            The outcomes of all jobs.
        """
        for outcome in run_jobs(function, jobs, kind, again=again):
            self._outputs[outcome.key] = list(outcome.outputs)
            counter = self.num_run if outcome.is_new else self.num_reused
            counter[outcome.key.step] += 1
            yield outcome

    def keep(self, files: Sequence[str]) -> None:
        """Keeps files that no task wrote from being swept.

        Args:
            files: Their paths in the corpus.
        """
        self._kept += files

    def sweep(self) -> None:
        """Deletes what earlier builds left and this one doesn't hold."""
        files = [file for files in self._outputs.values() for file in files]
        sweep(self.config.output, list(self._outputs), [*files, *self._kept])
