"""The loader: turns the packs of each step into tensors, ahead of time, in a thread.

Legend: L tokens of a row, S samples in it, K trained tokens, N images, P patches, D feature width.
"""

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from types import TracebackType

import numpy as np
import numpy.typing as npt
import torch

from palo.data.corpus_part import CorpusPart
from palo.data.corpus_reader import Corpus
from palo.data.plan import Pack, Plan
from palo.data.samples import Sample
from palo.images.store import ImageStore
from palo.text.encoding import IMAGE_SENTINEL

_CACHED_IMAGES = 256
_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One packed row.

    Attributes:
        input_ids: (1, L) int64, each image sentinel repeated for every token of its image.
        position_ids: (1, L) int64, restarting at 0 with every sample.
        cu_seq_lens: (S + 1,) int32 starts of the samples, then L.
        label_positions: (K,) int64 positions whose hidden state predicts a trained token.
        targets: (K,) int64 the token after each of those positions.
        target_samples: (K,) int64 which sample of the row each of them belongs to.
        features: (N, P, D) features in the store's dtype, in order of appearance; None without any.
        pixels: (N, 3, H, W) float32 pixels instead, if the store holds pixels.
        sample_ids: Names of the samples; empty for a dummy row, which has no targets either.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    cu_seq_lens: torch.Tensor
    label_positions: torch.Tensor
    targets: torch.Tensor
    target_samples: torch.Tensor
    features: torch.Tensor | None
    pixels: torch.Tensor | None
    sample_ids: tuple[str, ...]

    def to(self, device: torch.device | str) -> "Batch":
        """Returns the same batch with its tensors on a device.

        Only the samples' bounds stay: attention needs them as numbers, and reading a number from a
        GPU would wait for it.

        Args:
            device: The device.
        """
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "Batch":
        """Returns the same batch in pinned memory, which a GPU reads while the CPU goes on."""
        return self._changed(torch.Tensor.pin_memory)

    def _changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and name != "cu_seq_lens":
                values[name] = change(value)
        return Batch(**values)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBatch:
    """One rank's part of an optimizer step.

    Attributes:
        step: Step from 0, counted over all epochs.
        micro_batches: This rank's rows.
        num_target_tokens: Trained tokens of the whole step, over all ranks: the loss's divisor.
        num_tokens: Tokens of the whole step, over all ranks, image tokens included.
        num_samples: Samples of the whole step, over all ranks.
    """

    step: int
    micro_batches: tuple[Batch, ...]
    num_target_tokens: int
    num_tokens: int
    num_samples: int


class PackLoader:
    """Yields the steps of a plan for one rank, a few of them ready ahead of time.

    Use it as a context manager, or close it: its thread ends then.

    Args:
        corpus: Where samples and images come from.
        plan: Which samples make each step.
        rank: This worker's number, from 0.
        world_size: Number of workers.
        start_step: First step to yield.
        prefetch: Steps to hold ready.
        pin: Whether batches lie in pinned memory, for a GPU.

    Raises:
        ValueError: If the rank is not one of the workers.
    """

    def __init__(
        self,
        corpus: Corpus | CorpusPart,
        plan: Plan,
        *,
        rank: int = 0,
        world_size: int = 1,
        start_step: int = 0,
        prefetch: int = 2,
        pin: bool = False,
    ) -> None:
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is not one of {world_size} workers")
        self._corpus = corpus
        self._plan = plan
        self._rank = rank
        self._world_size = world_size
        self._pin = pin
        self._collator = Collator(corpus.images, plan.config.tokens_per_image)
        self._queue: queue.Queue[StepBatch | BaseException | None] = queue.Queue(max(1, prefetch))
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._produce, args=(start_step,), name="palo-loader", daemon=True
        )
        self._thread.start()

    def build(self, step: int) -> StepBatch:
        """Builds this rank's part of one step, in the caller's thread.

        Args:
            step: Step from 0, counted over all epochs.
        """
        packs = self._plan.packs(step, self._world_size)[self._rank]
        samples = list(self._plan.step(step))
        self._corpus.fetch(index for pack in packs for index in pack.indices)
        return StepBatch(
            step=step,
            micro_batches=tuple(map(self._batch, packs)),
            num_target_tokens=int(self._corpus.num_targets[samples].sum()),
            num_tokens=sum(self._plan.length(index) for index in samples),
            num_samples=len(samples),
        )

    def _batch(self, pack: Pack) -> Batch:
        batch = self._collator.collate(self._corpus.read(pack.indices), dummy=pack.dummy)
        return batch.pinned() if self._pin else batch

    def _produce(self, start_step: int) -> None:
        try:
            for step in range(start_step, self._plan.num_steps):
                if not self._put(self.build(step)):
                    return
            self._put(None)
        except BaseException as error:  # handed to the thread that asked
            self._put(error)

    def _put(self, item: StepBatch | BaseException | None) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[StepBatch]:
        return self

    def __next__(self) -> StepBatch:
        while not self._closed.is_set():
            try:
                item = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(item, StepBatch):
                return item
            self.close()
            if item is not None:
                raise item
        raise StopIteration

    def close(self) -> None:
        """Ends the thread; what it had ready is lost."""
        self._closed.set()
        self._thread.join()

    def __enter__(self) -> "PackLoader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Collator:
    """Lays samples end to end in one row.

    Args:
        images: Where images come from; None if no sample has one.
        tokens_per_image: Tokens that the projector makes of one image.
    """

    def __init__(self, images: ImageStore | None, tokens_per_image: int) -> None:
        self._images = images
        self._tokens_per_image = tokens_per_image
        self._recent: OrderedDict[str, torch.Tensor] = OrderedDict()

    def collate(self, samples: list[Sample], *, dummy: bool = False) -> Batch:
        """Makes one row of a batch.

        Args:
            samples: The samples of the row, in order.
            dummy: Whether the row only fills a micro-batch: it keeps its tokens, but has no
                targets and no names.

        Returns:
            A batch of one row.
        """
        ids, positions, label_positions, targets, owners = [], [], [], [], []
        starts = [0]
        for number, sample in enumerate(samples):
            expanded, labels = self._expand(sample)
            if dummy:
                labels = labels[:0]
            ids.append(expanded)
            positions.append(np.arange(len(expanded)))
            label_positions.append(labels - 1 + starts[-1])
            targets.append(expanded[labels])
            owners.append(np.full(len(labels), number))
            starts.append(starts[-1] + len(expanded))
        images = self._read([s.image_id for s in samples if s.image_id is not None])
        features, pixels = self._stack(images)
        return Batch(
            input_ids=_joined(ids)[None],
            position_ids=_joined(positions)[None],
            cu_seq_lens=torch.tensor(starts, dtype=torch.int32),
            label_positions=_joined(label_positions),
            targets=_joined(targets),
            target_samples=_joined(owners),
            features=features,
            pixels=pixels,
            sample_ids=() if dummy else tuple(sample.sample_id for sample in samples),
        )

    def _expand(self, sample: Sample) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Repeats the sentinels; returns the ids and where the trained ones are among them."""
        repeats = np.where(sample.input_ids == IMAGE_SENTINEL, self._tokens_per_image, 1)
        moved = np.concatenate([[0], np.cumsum(repeats)])
        spans = [np.arange(max(start, 1), end) for start, end in sample.label_spans.tolist()]
        labels = np.concatenate(spans) if spans else np.zeros(0, np.int64)
        return np.repeat(sample.input_ids.astype(np.int64), repeats), moved[labels]

    def _read(self, image_ids: list[str]) -> list[torch.Tensor]:
        if image_ids and self._images is None:
            raise ValueError(f"a sample needs image {image_ids[0]}, but there is no image store")
        if self._images is not None:
            new = [name for name in dict.fromkeys(image_ids) if name not in self._recent]
            self._recent.update(zip(new, self._images.read_all(new), strict=True))
        images = [self._recent[image_id] for image_id in image_ids]
        for image_id in image_ids:
            self._recent.move_to_end(image_id)
        while len(self._recent) > _CACHED_IMAGES:
            self._recent.popitem(last=False)
        return images

    def _stack(self, images: list[torch.Tensor]) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        if not images or self._images is None:
            return None, None
        stacked = torch.stack(images)
        if self._images.spec.kind == "features":
            return stacked, None
        return None, torch.from_numpy(self._images.spec.preprocessing.normalise(stacked.numpy()))


def _joined(parts: list[npt.NDArray[np.int64]]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64))
