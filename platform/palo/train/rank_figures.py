"""What each worker did in a step: measured there, shared in the step's one sum, and compared.

Nothing here waits for a device, and nothing is sent for itself: a worker's figures travel as a few
numbers in the sum over workers that every step makes anyway.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from palo.data.loader import StepBatch
    from palo.train.engine import TrainEngine

SlowCause = Literal["data", "compute"]
_WINDOW = 20
_LATE_SHARE = 0.05
_SLOWER = 1.15


class RankFigures(NamedTuple):
    """What one worker did in a step; all are numbers, to be summed over workers.

    Attributes:
        num_tokens: Tokens of its rows, image tokens and rows that only fill a micro-batch included.
        data_wait_s: Seconds that it waited for data.
        cpu_s: CPU seconds of its process since the step before.
        memory_bytes: Memory that it holds: allocated on its GPU, or resident without one.
        peak_memory_bytes: The most that it has held since it started.
    """

    num_tokens: float
    data_wait_s: float
    cpu_s: float
    memory_bytes: float
    peak_memory_bytes: float


class RankGauge:
    """Measures this worker, step by step.

    Args:
        engine: Its engine.
    """

    def __init__(self, engine: "TrainEngine") -> None:
        self._engine = engine
        self._cpu_s = time.process_time()

    def read(self, batch: "StepBatch", waited_s: float) -> RankFigures:
        """Returns the figures of a step whose gradients are computed.

        Args:
            batch: This worker's part of the step.
            waited_s: Seconds that it waited for it.
        """
        before, self._cpu_s = self._cpu_s, time.process_time()
        memory, peak = self._memory()
        return RankFigures(
            num_tokens=sum(micro.input_ids.shape[1] for micro in batch.micro_batches),
            data_wait_s=waited_s,
            cpu_s=self._cpu_s - before,
            memory_bytes=memory,
            peak_memory_bytes=peak,
        )

    def _memory(self) -> tuple[int, int]:
        device = self._engine.device
        if device.type == "cuda":
            import torch

            return torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
        import resource

        import psutil

        held = psutil.Process().memory_info().rss
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return held, max(held, peak_kib << 10)


def share(
    engine: "TrainEngine", sums: Sequence[float], own: RankFigures
) -> tuple[list[float], list[RankFigures]]:
    """Adds numbers up over all workers, and lets each know every worker's figures, in one sum.

    All workers must call it together.

    Args:
        engine: This worker's engine.
        sums: Its numbers.
        own: Its figures.

    Returns:
        The sums, and the figures by rank.
    """
    import torch

    width, first = len(own), len(sums)
    values = torch.zeros(first + width * engine.world_size, dtype=torch.float64)
    values[:first] = torch.tensor(sums, dtype=torch.float64)
    place = first + width * engine.rank
    values[place : place + width] = torch.tensor(own, dtype=torch.float64)
    total = engine.sum_over_workers(values).tolist()
    starts = range(first, len(total), width)
    return total[:first], [RankFigures(*total[start : start + width]) for start in starts]


@dataclass(frozen=True, kw_only=True, slots=True)
class SlowRank:
    """A worker that holds the others up.

    Attributes:
        rank: Its number.
        cause: What it is slow at.
    """

    rank: int
    cause: SlowCause


@dataclass(frozen=True, kw_only=True, slots=True)
class RankSummary:
    """What a worker did over the latest steps.

    Attributes:
        rank: Its number.
        tokens_per_s: Tokens of its rows a second.
        data_wait_share: Share of the time in which it waited for data.
        cpu_share: CPU seconds a second: above 1 with several threads.
        memory_bytes: Memory that it holds.
        peak_memory_bytes: The most that it has held.
    """

    rank: int
    tokens_per_s: float
    data_wait_share: float
    cpu_share: float
    memory_bytes: int
    peak_memory_bytes: int


class RankWatch:
    """The figures of all workers over the latest 20 steps.

    Args:
        computes_on_cpu: Whether CPU seconds are those of the model's arithmetic. On GPUs a worker
            that computes slowly can't be told from those that wait for it within a layer; one that
            waits for data can.
    """

    def __init__(self, *, computes_on_cpu: bool) -> None:
        self._computes_on_cpu = computes_on_cpu
        self._steps: deque[tuple[float, list[RankFigures]]] = deque(maxlen=_WINDOW)

    def add(self, step_s: float, ranks: list[RankFigures]) -> None:
        """Takes a step.

        Args:
            step_s: Its seconds.
            ranks: Figures by rank.
        """
        self._steps.append((step_s, ranks))

    def summaries(self) -> list[RankSummary]:
        """Returns what each worker did in these steps; nothing before the first one."""
        if not self._steps:
            return []
        seconds = sum(step_s for step_s, _ in self._steps)
        latest = self._steps[-1][1]
        by_rank = zip(*(ranks for _, ranks in self._steps), strict=True)
        return [
            RankSummary(
                rank=rank,
                tokens_per_s=sum(one.num_tokens for one in steps) / seconds,
                data_wait_share=sum(one.data_wait_s for one in steps) / seconds,
                cpu_share=sum(one.cpu_s for one in steps) / seconds,
                memory_bytes=int(latest[rank].memory_bytes),
                peak_memory_bytes=int(latest[rank].peak_memory_bytes),
            )
            for rank, steps in enumerate(by_rank)
        ]

    def slow(self) -> SlowRank | None:
        """Returns the worker that holds the others up, if one does.

        Either it waits for data for a twentieth of the time more than the usual other worker; or,
        where CPUs compute, each of its tokens takes 15 % more CPU time than theirs.
        """
        every = self.summaries()
        if len(every) < 2:
            return None
        late = max(every, key=lambda one: one.data_wait_share)
        usual = median(one.data_wait_share for one in every if one is not late)
        if late.data_wait_share - usual > _LATE_SHARE:
            return SlowRank(rank=late.rank, cause="data")
        if not self._computes_on_cpu:
            return None
        cost = {one.rank: one.cpu_share / max(one.tokens_per_s, 1e-9) for one in every}
        worst = max(cost, key=lambda rank: cost[rank])
        if cost[worst] > _SLOWER * median(cost[rank] for rank in cost if rank != worst):
            return SlowRank(rank=worst, cause="compute")
        return None


def mean_wait_s(ranks: Sequence[RankFigures]) -> float:
    """Returns the seconds that a worker waited for data, on average.

    Args:
        ranks: Figures by rank.
    """
    return fmean(one.data_wait_s for one in ranks)
