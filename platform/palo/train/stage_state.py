"""A stage as its files show it, read again and again while it is trained."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palo import storage
from palo.train.events import Event, read_events
from palo.train.metrics import StepMetrics
from palo.train.rank_figures import RankSummary
from palo.train.stage_files import StageFiles
from palo.train.validation import Validation, read_validations

RECENT = 20
"""Steps over which speeds and losses are averaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageState:
    """What the files of a stage say.

    Attributes:
        metrics: The steps.
        validations: Losses on held-out rows.
        events: What happened beside the steps.
        ranks: What each worker did in the latest steps.
        facts: The settings, and what the figures are measured by; empty of an older run.
    """

    metrics: Sequence[StepMetrics]
    validations: Sequence[Validation] = ()
    events: Sequence[Event] = ()
    ranks: Sequence[RankSummary] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recent(self) -> Sequence[StepMetrics]:
        """The latest steps."""
        return self.metrics[-RECENT:]

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second over the latest steps."""
        return sum(m.num_tokens for m in self.recent) / self._seconds

    @property
    def samples_per_s(self) -> float:
        """Samples a second over the latest steps."""
        return sum(m.num_samples for m in self.recent) / self._seconds

    @property
    def data_wait_share(self) -> float:
        """Share of the latest steps in which workers waited for data, on average."""
        return sum(m.data_wait_s for m in self.recent) / self._seconds

    @property
    def step_s(self) -> float:
        """Seconds of a step, over the latest ones."""
        return self._seconds / len(self.recent)

    @property
    def loss(self) -> float:
        """Loss over the label tokens of the latest steps; nan if all of them were skipped."""
        finite = [m for m in self.recent if math.isfinite(m.loss)]
        num_targets = sum(m.num_target_tokens for m in finite)
        if num_targets == 0:
            return math.nan
        return sum(m.loss * m.num_target_tokens for m in finite) / num_targets

    @property
    def best(self) -> Validation | None:
        """The evaluation with the lowest mean of the languages' losses, the first of equal ones.

        It is what `keep_best` and `result` go by; None before the first evaluation.
        """
        return min(self.validations, key=lambda one: one.mean_loss, default=None)

    @property
    def mfu(self) -> float | None:
        """Model FLOP utilisation over the latest steps, where the device's peak is known."""
        known = [(m.mfu, m.step_s) for m in self.recent if m.mfu is not None]
        seconds = sum(step_s for _, step_s in known)
        return sum(mfu * step_s for mfu, step_s in known) / seconds if seconds else None

    @property
    def model_flops_per_s(self) -> float | None:
        """Operations of the model a second, of all workers together, over the latest steps."""
        known = [m.model_flops for m in self.recent if m.model_flops is not None]
        return sum(known) / self._seconds if len(known) == len(self.recent) else None

    @property
    def _seconds(self) -> float:
        return max(sum(m.step_s for m in self.recent), 1e-9)


def read_state(files: StageFiles) -> StageState:
    """Reads all files of a stage once.

    Args:
        files: The files, none of which need exist.
    """
    return StageReader(files).read()


class StageReader:
    """Reads the files of a running stage; of the metrics only what is new.

    Args:
        files: The files, none of which need exist yet.
    """

    def __init__(self, files: StageFiles) -> None:
        self._files = files
        self._metrics: list[StepMetrics] = []
        self._read_bytes = 0
        self._identity: tuple[int, int] | None = None

    def metrics(self) -> list[StepMetrics]:
        """Returns the steps so far."""
        path = self._files.metrics
        if not path.exists():
            return []
        with storage.wrap_os_errors("read", path), path.open("rb") as file:
            self._start_over_if_replaced(path)
            file.seek(self._read_bytes)
            data = file.read()
        # A last line that is still being written is left for the next time.
        whole = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        self._metrics += [StepMetrics(**json.loads(line)) for line in whole.splitlines()]
        return self._metrics

    def _start_over_if_replaced(self, path: Path) -> None:
        """A stage that resumes writes its file anew, without the steps that it does again."""
        status = path.stat()
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity or status.st_size < self._read_bytes:
            self._identity, self._read_bytes = identity, 0
            self._metrics = []

    def read(self) -> StageState:
        """Returns what all files say."""
        files = self._files
        return StageState(
            metrics=self.metrics(),
            validations=read_validations(files.validations),
            events=read_events(files.events),
            ranks=_ranks(files.ranks),
            facts=storage.read_json(files.facts) if files.facts.exists() else {},
        )


def _ranks(path: Path) -> list[RankSummary]:
    if not path.exists():
        return []
    return [RankSummary(**one) for one in storage.read_json(path)["ranks"]]
