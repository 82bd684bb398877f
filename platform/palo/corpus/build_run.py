"""What the steps of one build share: its settings, its account, and which tasks belong to it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from palo.corpus.config import CorpusConfig
from palo.corpus.ray_tasks import Job, Outcome, Work, run_jobs
from palo.corpus.row_counts import RowCounts
from palo.corpus.task_log import TaskKey, sweep
from palo.images.store_spec import StoreSpec

T = TypeVar("T")


class BuildRun:
    """One build.

    Args:
        config: What to build.
        spec: What the image store holds.
        tokenizer: Fingerprint of the tokenizer.
        say: Takes lines about progress.

    Attributes:
        accounts: Rows in, out and dropped.
        num_run: How many tasks ran, by step; those that were done before don't count.
        num_reused: How many tasks were done before, by step.
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
        self.accounts = RowCounts(config.max_bad_share, self.names)
        self.num_run: Counter[str] = Counter()
        self.num_reused: Counter[str] = Counter()
        self._files: dict[TaskKey, list[str]] = {}

    def ticket(self, step: str, name: str, key: str) -> TaskKey:
        """Returns what names a task of this build."""
        return TaskKey(corpus=self.config.output, step=step, name=name, key=key)

    def run(
        self, function: Callable[[T], Work], jobs: Sequence[Job[T]], *, again: bool = False
    ) -> Iterator[Outcome]:
        """Runs what is not done yet; see `run_jobs`."""
        for outcome in run_jobs(function, jobs, again=again):
            self._files[outcome.ticket] = list(outcome.entry.outputs)
            counter = self.num_run if outcome.is_new else self.num_reused
            counter[outcome.ticket.step] += 1
            yield outcome

    def sweep(self) -> None:
        """Deletes what earlier builds left and this one doesn't hold."""
        files = [file for files in self._files.values() for file in files]
        sweep(self.config.output, list(self._files), files)
