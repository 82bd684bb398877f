"""The plan: which samples make each optimizer step, and how they are packed and dealt to ranks.

Steps are the same whatever the number of workers, so a run can resume at any step on any number of
them. Only the packs of a step depend on the world size; loss does not, since it is a mean over the
step's label tokens.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from palo.config import check
from palo.data.sampling import LanguageSampling, drawn, shuffled


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanConfig:
    """What a plan depends on besides the corpus.

    Attributes:
        global_batch: Samples in one optimizer step over all workers.
        token_budget: Most tokens of one pack, image tokens included; a sample that is longer than
            this gets a pack for itself.
        tokens_per_image: Tokens that the projector makes of one image.
        seed: Chooses the order of the samples.
        max_epochs: How many epochs there are.
        quadratic_cost: Cost of a squared token over the cost of a token, about 1 / (12 hidden
            size) for a Llama decoder; only the balance between ranks depends on it.
    """

    global_batch: int
    token_budget: int
    tokens_per_image: int
    seed: int = 0
    max_epochs: int = 1
    quadratic_cost: float = 2e-5

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is out of range."""
        for name in ("global_batch", "token_budget", "max_epochs"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        for name in ("tokens_per_image", "quadratic_cost"):
            if getattr(self, name) < 0:
                yield f"{name} must not be negative, not {getattr(self, name)}"


class Pack(NamedTuple):
    """Samples that share one row.

    Attributes:
        indices: Samples of the corpus, in order.
        dummy: True if the pack only keeps its rank in step: it repeats a sample, without targets.
    """

    indices: tuple[int, ...]
    dummy: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanSummary:
    """What a plan costs on a number of workers, for dry runs and reports.

    Attributes:
        num_samples: Samples of one epoch.
        num_steps: Optimizer steps of all epochs.
        num_tokens: Tokens of one epoch, image tokens included.
        num_image_tokens: Those of them that are image tokens.
        num_micro_batches: Mean number of packs a rank runs in one step.
        mean_pack_tokens: Mean tokens of one pack.
        padding_share: Padding over computed tokens; packs have none.
        dummy_share: Tokens of dummy packs over computed tokens.
        imbalance: Mean over micro-batches of (slowest rank's cost / mean cost) - 1.
    """

    num_samples: int
    num_steps: int
    num_tokens: int
    num_image_tokens: int
    num_micro_batches: float
    mean_pack_tokens: float
    padding_share: float
    dummy_share: float
    imbalance: float


class Plan:
    """Order, steps and packs: a pure function of the corpus' fingerprint and the configuration.

    Args:
        config: Batch size, budget and seed.
        fingerprint: Fingerprint of the corpus' manifest.
        lengths: (samples,) text tokens of each sample.
        has_image: (samples,) whether the sample has an image.
        chosen: (samples,) whether the plan uses the sample; None for all.
        sampling: How many samples of each language an epoch takes of those that it uses; None for
            each sample once.

    Raises:
        ConfigError: If a value of the configuration is out of range.
        ValueError: If the arrays differ in length, or no sample is used.
    """

    def __init__(
        self,
        config: PlanConfig,
        fingerprint: str,
        lengths: npt.NDArray[np.int32],
        has_image: npt.NDArray[np.bool_],
        chosen: npt.NDArray[np.bool_] | None = None,
        sampling: LanguageSampling | None = None,
    ) -> None:
        check(config)
        if len(lengths) != len(has_image) or len(lengths) == 0:
            raise ValueError(
                f"a plan needs one length and one image flag for each of at least one sample, "
                f"got {len(lengths)} and {len(has_image)}"
            )
        self.config = config
        self.fingerprint = fingerprint
        # Numbers of the samples in the corpus, ascending: without a choice each is its own place.
        used = np.ones(len(lengths), bool) if chosen is None else chosen
        self._used: npt.NDArray[np.int64] = np.flatnonzero(used)
        if len(used) != len(lengths) or len(self._used) == 0:
            raise ValueError(f"a plan uses {len(self._used)} of {len(lengths)} samples")
        self._sampling = sampling
        self.num_samples = len(self._used) if sampling is None else sum(sampling.counts.values())
        self.num_steps_per_epoch = -(-self.num_samples // config.global_batch)
        self.num_steps = self.num_steps_per_epoch * config.max_epochs
        images = has_image.astype(np.int64) * config.tokens_per_image
        self._image_tokens = images
        self._lengths: npt.NDArray[np.int64] = lengths.astype(np.int64) + images
        self._order_of = lru_cache(maxsize=2)(self._order)

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        samples = self._used
        if self._sampling is not None:
            samples = drawn(
                self._sampling, samples, epoch, f"{self.fingerprint}/{self.config.seed}"
            )
        return shuffled(samples, f"{self.fingerprint}/{self.config.seed}/{epoch}")

    def epoch(self, step: int) -> int:
        """Returns the epoch, from 0, of a step.

        Args:
            step: Step from 0, counted over all epochs.
        """
        return step // self.num_steps_per_epoch

    def step(self, step: int) -> tuple[int, ...]:
        """Returns the samples of a step; the last step of an epoch may hold fewer.

        Args:
            step: Step from 0, counted over all epochs.

        Raises:
            ValueError: If the plan has no such step.
        """
        if not 0 <= step < self.num_steps:
            raise ValueError(f"the plan has steps 0 to {self.num_steps - 1}, not {step}")
        epoch, within = divmod(step, self.num_steps_per_epoch)
        start = within * self.config.global_batch
        order = self._order_of(epoch)
        return tuple(order[start : start + self.config.global_batch].tolist())

    def step_of_longest(self) -> int:
        """Returns the step of the first epoch that holds its longest sample."""
        longest = int(np.argmax(self._lengths[self._order_of(0)]))
        return longest // self.config.global_batch

    def length(self, index: int) -> int:
        """Returns the tokens of one sample, image tokens included.

        Args:
            index: Number of the sample.
        """
        return int(self._lengths[index])

    def cost(self, indices: Sequence[int]) -> float:
        """Returns the relative time of a pack: its tokens and its samples' squared tokens.

        Args:
            indices: Numbers of its samples.
        """
        lengths = self._lengths[list(indices)].astype(np.float64)
        return float((lengths + self.config.quadratic_cost * lengths**2).sum())

    def packs(self, step: int, world_size: int) -> list[list[Pack]]:
        """Packs a step's samples and deals the packs to ranks by balanced cost.

        Args:
            step: Step from 0, counted over all epochs.
            world_size: Number of ranks.

        Returns:
            For each rank its packs, one for each micro-batch; every rank has the same number, and
            packs of one micro-batch cost about the same on every rank.

        Raises:
            ValueError: If there is no such step, or no worker.
        """
        if world_size < 1:
            raise ValueError(f"the number of workers must be at least 1, not {world_size}")
        samples = self.step(step)
        costs = {index: self.cost((index,)) for index in samples}
        falling = sorted(samples, key=lambda index: (-costs[index], index))
        total = sum(self.length(index) for index in samples)
        num_micro = max(1, -(-total // (self.config.token_budget * world_size)))
        while (bins := self._fill(falling, costs, num_micro * world_size)) is None:
            num_micro += 1
        filler = Pack((falling[-1],), dummy=True)
        packs = [Pack(tuple(chosen)) if chosen else filler for chosen in bins]
        return self._deal(packs, world_size)

    def _fill(
        self, falling: Sequence[int], costs: dict[int, float], num_bins: int
    ) -> list[list[int]] | None:
        """Puts each sample, costliest first, into the cheapest pack that has room for it."""
        bins: list[list[int]] = [[] for _ in range(num_bins)]
        room = [self.config.token_budget] * num_bins
        heap = [(0.0, number) for number in range(num_bins)]
        for index in falling:
            length = self.length(index)
            passed: list[tuple[float, int]] = []
            while heap and bins[heap[0][1]] and room[heap[0][1]] < length:
                passed.append(heapq.heappop(heap))
            if not heap:
                return None
            cost, number = heapq.heappop(heap)
            bins[number].append(index)
            room[number] -= length
            for entry in (*passed, (cost + costs[index], number)):
                heapq.heappush(heap, entry)
        return bins

    def _deal(self, packs: list[Pack], world_size: int) -> list[list[Pack]]:
        """Gives each micro-batch packs of like cost, the costliest to the least loaded rank."""
        falling = sorted(packs, key=lambda pack: (pack.dummy, -self.cost(pack.indices), pack))
        dealt: list[list[Pack]] = [[] for _ in range(world_size)]
        loads = [0.0] * world_size
        for start in range(0, len(falling), world_size):
            ranks = sorted(range(world_size), key=lambda rank: (loads[rank], rank))
            for rank, pack in zip(ranks, falling[start : start + world_size], strict=True):
                dealt[rank].append(pack)
                loads[rank] += self.cost(pack.indices)
        return dealt

    def summary(self, world_size: int, max_steps: int = 64) -> PlanSummary:
        """Returns what the plan costs, packs being measured on evenly spread steps.

        Args:
            world_size: Number of workers.
            max_steps: Most steps to pack for the estimate.
        """
        spread = np.linspace(
            0, self.num_steps_per_epoch - 1, min(max_steps, self.num_steps_per_epoch), dtype=int
        )
        ratios: list[float] = []
        sizes: list[int] = []
        num_dummy_tokens = num_micro = 0
        for step in spread.tolist():
            dealt = self.packs(step, world_size)
            num_micro += len(dealt[0])
            for micro in zip(*dealt, strict=True):
                costs = [self.cost(pack.indices) for pack in micro]
                ratios.append(max(costs) * world_size / sum(costs) - 1)
                for pack in micro:
                    size = sum(self.length(index) for index in pack.indices)
                    sizes.append(size)
                    num_dummy_tokens += size * pack.dummy
        first = self._order_of(0)
        return PlanSummary(
            num_samples=self.num_samples,
            num_steps=self.num_steps,
            num_tokens=int(self._lengths[first].sum()),
            num_image_tokens=int(self._image_tokens[first].sum()),
            num_micro_batches=num_micro / len(spread),
            mean_pack_tokens=sum(sizes) / len(sizes),
            padding_share=0.0,
            dummy_share=num_dummy_tokens / sum(sizes),
            imbalance=sum(ratios) / len(ratios),
        )
