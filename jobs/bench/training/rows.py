"""Rows of ten-language lengths without any data: random ids, random features.

Lengths of English rounds are log-normal, about as in LLaVA's instructions; other languages take
more tokens for the same text, as LLaMA's tokenizer does.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch

from palo.data.loader import Batch
from palo.model.config import PaloConfig

# LLaMA's tokens for the same text, English being 1, for the ten languages.
_TOKENS = (1.0, 2.0, 4.7, 1.4, 1.4, 3.5, 5.3, 1.7, 4.1, 2.1)
_MEDIAN_TOKENS, _SIGMA = 220, 0.7
_LEAST_TOKENS, _CONTEXT = 16, 2048
_GROUP = 8
_IGNORED = -100


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedBatch:
    """A batch that is padded to its longest sample.

    Attributes:
        input_ids: (B, L) int64.
        attention_mask: (B, L) int64, 0 for padding.
        labels: (B, L) int64, -100 where nothing is learned.
        features: (B, P, D) bfloat16 features of an image for each.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    features: torch.Tensor

    def to(self, device: str) -> "PaddedBatch":
        """Returns the same batch on a device."""
        return PaddedBatch(
            input_ids=self.input_ids.to(device),
            attention_mask=self.attention_mask.to(device),
            labels=self.labels.to(device),
            features=self.features.to(device),
        )


class RowMaker:
    """Makes packed rows or padded batches of samples with one image each.

    Args:
        sizes: The model's configuration.
        token_budget: Most tokens of a packed row.
        padded_samples: Samples of a padded batch.
        seed: Seed of lengths and ids.
    """

    def __init__(
        self, sizes: PaloConfig, token_budget: int, padded_samples: int, seed: int
    ) -> None:
        self._sizes = sizes
        self._budget = token_budget
        self._padded_samples = padded_samples
        self._random = random.Random(seed)  # noqa: S311 - lengths of a bench
        self._generator = torch.Generator().manual_seed(seed)

    def packed(self) -> Iterator[tuple[Batch, int, int]]:
        """Yields rows with their tokens and samples."""
        lengths: list[int] = []
        while True:
            length = min(self._length(), self._budget)
            if sum(lengths) + length > self._budget:
                yield self._row(lengths), sum(lengths), len(lengths)
                lengths = []
            lengths.append(length)

    def padded(self) -> Iterator[tuple[PaddedBatch, int, int]]:
        """Yields batches with the tokens and samples that are no padding.

        Samples of some batches are sorted by length and cut, as transformers' Trainer groups them.
        """
        size = self._padded_samples
        while True:
            group = sorted(self._length() for _ in range(_GROUP * size))
            batches = [group[start : start + size] for start in range(0, len(group), size)]
            self._random.shuffle(batches)
            for lengths in batches:
                yield self._batch(lengths), sum(lengths), len(lengths)

    def _length(self) -> int:
        """Returns the tokens of a sample, its image included."""
        factor = self._random.choice(_TOKENS)
        text = round(self._random.lognormvariate(0, _SIGMA) * _MEDIAN_TOKENS * factor)
        image = self._sizes.tokens_per_image
        return min(max(text, _LEAST_TOKENS), max(_LEAST_TOKENS, _CONTEXT - image)) + image

    def _ids(self, length: int) -> torch.Tensor:
        image = self._sizes.tokens_per_image
        words = torch.randint(
            3, self._sizes.text_config.vocab_size, (length - image,), generator=self._generator
        )
        return torch.cat([torch.full((image,), self._sizes.image_sentinel), words])

    def _features(self, num_images: int) -> torch.Tensor:
        shape = (num_images, self._sizes.num_patches, self._sizes.vision_hidden_size)
        return torch.randn(shape, generator=self._generator).bfloat16()

    def _row(self, lengths: list[int]) -> Batch:
        ids = [self._ids(length) for length in lengths]
        starts = [0, *torch.tensor(lengths).cumsum(0).tolist()]
        # The second half of each sample's text is the answer.
        answers = [
            torch.arange(end - (end - start - self._sizes.tokens_per_image) // 2, end)
            for start, end in pairwise(starts)
        ]
        row = torch.cat(ids)
        targets = torch.cat(answers)
        samples = [torch.full((len(each),), number) for number, each in enumerate(answers)]
        return Batch(
            input_ids=row[None],
            position_ids=torch.cat([torch.arange(length) for length in lengths])[None],
            cu_seq_lens=torch.tensor(starts, dtype=torch.int32),
            label_positions=targets - 1,
            targets=row[targets],
            target_samples=torch.cat(samples),
            features=self._features(len(lengths)),
            pixels=None,
            sample_ids=tuple(map(str, range(len(lengths)))),
        )

    def _batch(self, lengths: list[int]) -> PaddedBatch:
        longest = max(lengths)
        ids = torch.zeros(len(lengths), longest, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        labels = torch.full_like(ids, _IGNORED)
        for number, length in enumerate(lengths):
            ids[number, :length] = self._ids(length)
            mask[number, :length] = 1
            answer = length - (length - self._sizes.tokens_per_image) // 2
            labels[number, answer:length] = ids[number, answer:length]
        return PaddedBatch(
            input_ids=ids,
            attention_mask=mask,
            labels=labels,
            features=self._features(len(lengths)),
        )
